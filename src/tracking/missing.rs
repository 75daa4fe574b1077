//! The errors for what is asked for and not there: one code each, with the store, what was asked, and the remedy.

use crate::error::{Error, Kind};

fn not_found(code: &'static str, what: String, place: &str, remedy: &str) -> Error {
    Error::new(Kind::NotFound, code, format!("{what} in '{place}'")).remedy(remedy)
}

const WHICH_STORE: &str = "check the id, and that MLFLOW_TRACKING_URI names the store it was made in";

pub(super) fn run(id: &str, place: &str) -> Error {
    not_found("RUN_NOT_FOUND", format!("there is no run '{id}'"), place, WHICH_STORE)
}

pub(super) fn logged_model(id: &str, place: &str) -> Error {
    not_found("LOGGED_MODEL_NOT_FOUND", format!("there is no logged model '{id}'"), place, WHICH_STORE)
}

pub(super) fn experiment(id: &str, place: &str) -> Error {
    not_found("EXPERIMENT_NOT_FOUND", format!("there is no experiment '{id}'"), place, WHICH_STORE)
}

pub(super) fn registered(name: &str, place: &str) -> Error {
    let what = format!("there is no registered model '{name}'");
    not_found("REGISTERED_MODEL_NOT_FOUND", what, place, "`mlflight models list` names those that are there")
}

pub(super) fn version(name: &str, version: u64, place: &str) -> Error {
    let what = format!("the registered model '{name}' has no version {version}");
    not_found("MODEL_VERSION_NOT_FOUND", what, place, "`mlflight models list` names the newest version of each model")
}

pub(super) fn alias(name: &str, alias: &str, place: &str) -> Error {
    let what = format!("no version of the registered model '{name}' has the alias '{alias}'");
    not_found("ALIAS_NOT_FOUND", what, place, "`mlflight models list` names the aliases of each model")
}

pub(super) fn latest(name: &str, stage: Option<&str>, place: &str) -> Error {
    let what = match stage {
        Some(stage) => format!("no version of the registered model '{name}' is in the stage '{stage}'"),
        None => format!("the registered model '{name}' has no versions"),
    };
    not_found("MODEL_VERSION_NOT_FOUND", what, place, "name a version, or an alias as in `models:/name@alias`")
}

/// The error for a registry that is no registry of MLflow's.
pub fn registry_of_another_vendor(uri: &str) -> Error {
    Error::new(Kind::Unimplemented, "REGISTRY_UNSUPPORTED", format!("the registry '{uri}' is not MLflow's own"))
        .expected("an http(s) address of an MLflow server, sqlite:///…, a directory, or databricks")
        .remedy("download the model with that vendor's own tool and name its directory")
}
