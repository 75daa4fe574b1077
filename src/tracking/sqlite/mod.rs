//! A database file of MLflow's: what a notebook leaves behind, and what a small server keeps.
//!
//! Reading opens the file read-only. Writing is one transaction a call, in a file whose revision is known, with every column checked.

mod file;
mod models;
mod registry;
mod revisions;
mod runs;

use std::path::PathBuf;

use async_trait::async_trait;

use super::{
    Backend, Experiment, LoggedModel, ModelVersion, NewLoggedModel, NewRun, NewVersion, Pairs, RegisteredModel, Run, RunStatus,
    here,
};
use crate::error::Result;

/// One database file.
pub(super) struct Sqlite {
    path: PathBuf,
    /// The directory it lies in.
    home: PathBuf,
    shown: String,
}

impl Sqlite {
    pub(super) fn new(path: PathBuf) -> Self {
        let path = std::path::absolute(&path).unwrap_or(path);
        let home = path.parent().map(PathBuf::from).unwrap_or_default();
        let shown = format!("sqlite:///{}", path.display());
        Self { path, home, shown }
    }

    /// Where artifacts lie that the file says to lie at `uri`.
    fn located(&self, uri: &str) -> String {
        here::located(uri, &self.home)
    }
}

#[async_trait]
impl Backend for Sqlite {
    fn uri(&self) -> &str {
        &self.shown
    }

    async fn experiment(&self, name: &str) -> Result<Option<Experiment>> {
        self.read(|file| runs::experiment(file, name))
    }

    async fn create_experiment(&self, name: &str) -> Result<String> {
        self.write(|file| runs::create_experiment(file, name, &self.home))
    }

    async fn run(&self, id: &str) -> Result<Run> {
        let mut run = self.read(|file| runs::run(file, id))?;
        run.artifact_uri = self.located(&run.artifact_uri);
        Ok(run)
    }

    async fn create_run(&self, run: NewRun) -> Result<Run> {
        let id = self.write(|file| runs::create(file, &run, &self.home))?;
        self.run(&id).await
    }

    async fn set_status(&self, run: &str, status: RunStatus) -> Result<()> {
        self.write(|file| runs::set_status(file, run, status))
    }

    async fn set_tags(&self, run: &str, tags: &Pairs) -> Result<()> {
        self.write(|file| runs::set_tags(file, run, tags))
    }

    async fn logged_models(&self, run: &Run, name: &str) -> Result<Vec<LoggedModel>> {
        let mut models = self.read(|file| models::of_run(file, run, name))?;
        models.iter_mut().for_each(|model| model.artifact_uri = self.located(&model.artifact_uri));
        Ok(models)
    }

    async fn logged_model(&self, id: &str) -> Result<LoggedModel> {
        let mut model = self.read(|file| models::get(file, id))?;
        model.artifact_uri = self.located(&model.artifact_uri);
        Ok(model)
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        match self.write(|file| models::create(file, model))? {
            Some(id) => self.logged_model(&id).await.map(Some),
            None => Ok(None),
        }
    }

    async fn finish_logged_model(&self, id: &str, ready: bool) -> Result<()> {
        self.write(|file| models::finish(file, id, ready))
    }

    async fn add_output(&self, run: &str, model: &str) -> Result<()> {
        self.write(|file| models::add_output(file, run, model))
    }

    async fn record_model(&self, run: &str, json: &str) -> Result<()> {
        self.write(|file| runs::record_model(file, run, json))
    }

    async fn registered_models(&self, containing: &str) -> Result<Vec<RegisteredModel>> {
        self.read(|file| registry::search(file, containing))
    }

    async fn create_registered_model(&self, name: &str) -> Result<bool> {
        self.write(|file| registry::create_model(file, name))
    }

    async fn version(&self, name: &str, version: u64) -> Result<ModelVersion> {
        self.read(|file| registry::version(file, name, version))
    }

    async fn by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion> {
        self.read(|file| registry::by_alias(file, name, alias))
    }

    async fn latest(&self, name: &str, stage: Option<&str>) -> Result<ModelVersion> {
        self.read(|file| registry::latest(file, name, stage))
    }

    async fn download_uri(&self, version: &ModelVersion) -> Result<String> {
        Ok(self.located(version.location.as_deref().unwrap_or(&version.source)))
    }

    async fn create_version(&self, version: &NewVersion) -> Result<ModelVersion> {
        let number = self.write(|file| registry::create_version(file, version))?;
        self.version(&version.name, number).await
    }

    async fn note_version(&self, model: &str, version: &ModelVersion) -> Result<()> {
        self.write(|file| models::note_version(file, model, version))
    }

    async fn set_alias(&self, name: &str, alias: &str, version: u64) -> Result<()> {
        self.write(|file| registry::set_alias(file, name, alias, version))
    }
}
