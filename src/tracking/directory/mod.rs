//! An `mlruns` directory, of MLflow 1.x to 3.x.

mod files;
mod models;
mod registry;
mod runs;

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{
    Backend, Experiment, LoggedModel, ModelVersion, NewLoggedModel, NewRun, NewVersion, Pairs, RegisteredModel, Run, RunStatus,
    here,
};
use crate::error::Result;

/// One directory.
pub(super) struct Directory {
    root: PathBuf,
    shown: String,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        let root = std::path::absolute(&path).unwrap_or(path);
        Self { shown: root.display().to_string(), root }
    }

    /// Where artifacts lie that a record says to lie at `uri`: there, or beside the record where the directory was moved.
    fn located(&self, uri: &str, beside: &Path) -> String {
        match here::local(uri) {
            Some(path) if !path.exists() && beside.is_dir() => beside.display().to_string(),
            _ => here::located(uri, self.root.parent().unwrap_or(&self.root)),
        }
    }
}

#[async_trait]
impl Backend for Directory {
    fn uri(&self) -> &str {
        &self.shown
    }

    async fn experiment(&self, name: &str) -> Result<Option<Experiment>> {
        self.find_experiment(name)
    }

    async fn create_experiment(&self, name: &str) -> Result<String> {
        self.make_experiment(name)
    }

    async fn run(&self, id: &str) -> Result<Run> {
        self.read_run(id)
    }

    async fn create_run(&self, run: NewRun) -> Result<Run> {
        self.make_run(&run)
    }

    async fn set_status(&self, run: &str, status: RunStatus) -> Result<()> {
        self.write_status(run, status)
    }

    async fn set_tags(&self, run: &str, tags: &Pairs) -> Result<()> {
        self.write_tags(run, tags)
    }

    async fn logged_models(&self, run: &Run, name: &str) -> Result<Vec<LoggedModel>> {
        self.models_of_run(run, name)
    }

    async fn logged_model(&self, id: &str) -> Result<LoggedModel> {
        self.read_model(id)
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        self.make_model(model)
    }

    async fn finish_logged_model(&self, id: &str, ready: bool) -> Result<()> {
        self.end_model(id, ready)
    }

    async fn add_output(&self, run: &str, model: &str) -> Result<()> {
        self.write_output(run, model)
    }

    async fn record_model(&self, run: &str, json: &str) -> Result<()> {
        self.write_history(run, json)
    }

    async fn registered_models(&self, containing: &str) -> Result<Vec<RegisteredModel>> {
        self.search_registered(containing)
    }

    async fn create_registered_model(&self, name: &str) -> Result<bool> {
        self.make_registered(name)
    }

    async fn version(&self, name: &str, version: u64) -> Result<ModelVersion> {
        self.read_version(name, version)
    }

    async fn by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion> {
        self.read_alias(name, alias)
    }

    async fn latest(&self, name: &str, stage: Option<&str>) -> Result<ModelVersion> {
        self.latest_version(name, stage)
    }

    async fn download_uri(&self, version: &ModelVersion) -> Result<String> {
        let uri = version.location.as_deref().unwrap_or(&version.source);
        Ok(self.moved_version(uri).unwrap_or_else(|| self.located(uri, Path::new(""))))
    }

    async fn create_version(&self, version: &NewVersion) -> Result<ModelVersion> {
        self.make_version(version)
    }

    async fn note_version(&self, model: &str, version: &ModelVersion) -> Result<()> {
        self.write_version_tag(model, version)
    }

    async fn set_alias(&self, name: &str, alias: &str, version: u64) -> Result<()> {
        self.write_alias(name, alias, version)
    }
}
