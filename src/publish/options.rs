//! What is asked for, and what came of it.

use std::path::PathBuf;

use crate::tracking::Pairs;

/// A run to begin or to go on with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Goes on with this run.
    pub run_id: Option<String>,
    /// The name of a new one.
    pub run_name: Option<String>,
    /// The experiment of a new one, made where it is not there; else that of MLFLOW_EXPERIMENT_ID or MLFLOW_EXPERIMENT_NAME, else the
    /// first.
    pub experiment_name: Option<String>,
    /// Tags to set.
    pub tags: Pairs,
    /// The program that runs.
    pub source_name: String,
}

/// A model to log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The directory that holds `MLmodel`.
    pub directory: PathBuf,
    /// The name to log it by.
    pub name: String,
    /// The run to log it to; else that of MLFLOW_RUN_ID, else a new one.
    pub run_id: Option<String>,
    /// The experiment of a new run, see [`RunOptions::experiment_name`].
    pub experiment_name: Option<String>,
    /// The registered model to make a version of.
    pub registered_model_name: Option<String>,
    /// An alias for that version.
    pub alias: Option<String>,
    /// Params of the model.
    pub params: Pairs,
    /// Tags of the model.
    pub tags: Pairs,
}

/// A model that was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// What names it: `models:/m-…`, or `runs:/RUN/PATH` on a server older than MLflow 3.
    pub model_uri: String,
    /// Its id, since MLflow 3.
    pub model_id: Option<String>,
    /// The run.
    pub run_id: String,
    /// The name it was logged by.
    pub artifact_path: String,
    /// Where its files lie.
    pub artifact_uri: String,
    /// The version that was registered.
    pub registered_model_version: Option<u64>,
}
