//! What MLflow's tracking and registry know of models: metadata alone, from a server, a database file or a directory.
//!
//! [`Backend`] is the one face of the three. [`Tracking::from_env`] chooses by MLflow's own environment variables.

mod choose;
mod credentials;
mod directory;
mod entities;
mod fresh;
mod here;
mod missing;
mod names;
mod rest;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::{
    choose::{Tracking, open},
    credentials::{server_client, variable},
    entities::{
        Experiment, LoggedModel, ModelVersion, NewLoggedModel, NewRun, NewVersion, Pairs, RegisteredModel, Run, RunStatus,
    },
    missing::registry_of_another_vendor,
    names::{ModelName, RunPath, Which, check_alias, check_registered_name},
};
use crate::error::Result;

/// A tracking store with its registry. Whatever is asked for and not there is an error with a code of its own:
/// `RUN_NOT_FOUND`, `LOGGED_MODEL_NOT_FOUND`, `REGISTERED_MODEL_NOT_FOUND`, `MODEL_VERSION_NOT_FOUND`, `ALIAS_NOT_FOUND`.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Its URI without secrets: what errors call it.
    fn uri(&self) -> &str;

    /// The address of the server, with which `mlflow-artifacts:` URIs are completed; `None` where there is none.
    fn server(&self) -> Option<&str> {
        None
    }

    /// An experiment that is not deleted.
    async fn experiment(&self, name: &str) -> Result<Option<Experiment>>;

    /// Makes an experiment and returns its id.
    async fn create_experiment(&self, name: &str) -> Result<String>;

    /// A run.
    async fn run(&self, id: &str) -> Result<Run>;

    /// Begins a run.
    async fn create_run(&self, run: NewRun) -> Result<Run>;

    /// Sets a run's status, and the time of its end where it has one.
    async fn set_status(&self, run: &str, status: RunStatus) -> Result<()>;

    /// Sets tags of a run.
    async fn set_tags(&self, run: &str, tags: &Pairs) -> Result<()>;

    /// The models of MLflow 3 that a run logged by this name, the newest first. None where models are the run's own artifacts.
    async fn logged_models(&self, run: &Run, name: &str) -> Result<Vec<LoggedModel>>;

    /// A model of MLflow 3 by its id, `m-…`.
    async fn logged_model(&self, id: &str) -> Result<LoggedModel>;

    /// Begins a model of MLflow 3; `None` where models are artifacts of their run (MLflow 2 and older).
    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>>;

    /// Ends what [`Backend::create_logged_model`] began: the model is ready, or its upload failed.
    async fn finish_logged_model(&self, id: &str, ready: bool) -> Result<()>;

    /// Says that a run put out a model of MLflow 3.
    async fn add_output(&self, run: &str, model: &str) -> Result<()>;

    /// Notes a model among the artifacts of a run, in the form of MLflow 2: `json` is its `MLmodel` in short.
    async fn record_model(&self, run: &str, json: &str) -> Result<()>;

    /// Registered models whose name holds this text, in any case; all for an empty one.
    async fn registered_models(&self, containing: &str) -> Result<Vec<RegisteredModel>>;

    /// Makes a registered model; `false` where it is there already.
    async fn create_registered_model(&self, name: &str) -> Result<bool>;

    /// A version of a registered model.
    async fn version(&self, name: &str, version: u64) -> Result<ModelVersion>;

    /// The version that bears an alias.
    async fn by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion>;

    /// The newest version: in a stage, or at all.
    async fn latest(&self, name: &str, stage: Option<&str>) -> Result<ModelVersion>;

    /// Where the files of a version lie: an artifact URI.
    async fn download_uri(&self, version: &ModelVersion) -> Result<String>;

    /// Makes the next version of a registered model.
    async fn create_version(&self, version: &NewVersion) -> Result<ModelVersion>;

    /// Notes with a model of MLflow 3 that a version was made from it. A server does so by itself.
    async fn note_version(&self, _model: &str, _version: &ModelVersion) -> Result<()> {
        Ok(())
    }

    /// Gives an alias to a version, and takes it from whichever bore it.
    async fn set_alias(&self, name: &str, alias: &str, version: u64) -> Result<()>;
}

/// A backend that may be held by several.
pub type SharedBackend = Arc<dyn Backend>;

#[cfg(test)]
mod tests;
