//! The records of tracking and registry, as far as models need them.

use crate::{config::named_values, error::Result};

/// Keys and values in an order: params and tags.
pub type Pairs = Vec<(String, String)>;

/// An experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where artifacts of its runs go.
    pub artifact_location: String,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// Not ended.
    Running,
    /// Ended as planned.
    Finished,
    /// Ended by an error.
    Failed,
    /// Ended from outside.
    Killed,
}

named_values!(RunStatus, "status of a run", { Running => "RUNNING", Finished => "FINISHED", Failed => "FAILED", Killed => "KILLED" });

impl RunStatus {
    /// MLflow's number for it in `meta.yaml`.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Running => 1,
            Self::Finished => 3,
            Self::Failed => 4,
            Self::Killed => 5,
        }
    }

    /// The status by the name that MLflow's clients use.
    pub fn parse(name: &str) -> Result<Self> {
        name.parse()
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// Its name.
    pub name: String,
    /// Where its artifacts go.
    pub artifact_uri: String,
    /// Its params.
    pub params: Pairs,
}

/// A run to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRun {
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// Its name; one is made where this is `None`.
    pub name: Option<String>,
    /// Who runs it.
    pub user: String,
    /// Its tags.
    pub tags: Pairs,
}

/// A model of MLflow 3: an entity beside the run that logged it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedModel {
    /// `m-` and digits of hex.
    pub id: String,
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// The name it was logged by.
    pub name: String,
    /// Where its files lie.
    pub artifact_uri: String,
    /// The run that logged it.
    pub source_run_id: Option<String>,
    /// Whether all its files are there.
    pub ready: bool,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
}

/// A model of MLflow 3 to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewLoggedModel {
    /// The experiment it belongs to.
    pub experiment_id: String,
    /// Its name.
    pub name: String,
    /// The run that logs it.
    pub source_run_id: String,
    /// Its params.
    pub params: Pairs,
    /// Its tags.
    pub tags: Pairs,
}

/// A version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// The registered model.
    pub name: String,
    /// Its number.
    pub version: u64,
    /// What it was made from, as its maker said.
    pub source: String,
    /// Where its files lie, where the record itself tells.
    pub location: Option<String>,
    /// Its stage, `None` being the stage of that name too.
    pub stage: Option<String>,
    /// `READY`, `PENDING_REGISTRATION` or `FAILED_REGISTRATION`.
    pub status: String,
    /// The run that logged the model.
    pub run_id: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
}

impl ModelVersion {
    /// Its `models:/` URI.
    pub fn model_uri(&self) -> String {
        format!("models:/{}/{}", self.name, self.version)
    }
}

/// A version to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVersion {
    /// The registered model.
    pub name: String,
    /// What it is made from: an artifact URI, or `models:/m-…`.
    pub source: String,
    /// Where the files lie.
    pub location: String,
    /// The run that logged the model.
    pub run_id: Option<String>,
    /// The model of MLflow 3 that it is made from.
    pub model_id: Option<String>,
    /// Its tags.
    pub tags: Pairs,
}

/// A registered model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegisteredModel {
    /// Its name.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// When it was changed, in milliseconds since 1970.
    pub updated: i64,
    /// Its newest version.
    pub latest: Option<u64>,
    /// Its aliases with the versions that bear them.
    pub aliases: Vec<(String, u64)>,
}
