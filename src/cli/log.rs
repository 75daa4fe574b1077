//! `mlflight log`: a model's directory to an MLflow run, and to the registry.

use std::{fmt::Write as _, path::PathBuf};

use serde_json::json;

use crate::{
    error::{Error, Kind, Result},
    publish::{self, LogOptions},
};

/// Logs a model's directory to a run, and registers it. The tracking server is that of MLFLOW_TRACKING_URI.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory that holds the MLmodel file.
    directory: PathBuf,
    /// The name to log it by; the directory's own by default.
    #[arg(long)]
    name: Option<String>,
    /// The run to log it to; by default that of MLFLOW_RUN_ID, else a new one.
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,
    /// The experiment of a new run, made if it is not there.
    #[arg(long, value_name = "NAME", conflicts_with = "run_id")]
    experiment: Option<String>,
    /// Registers it as a version of this model, made if it is not there.
    #[arg(long, value_name = "NAME")]
    register: Option<String>,
    /// An alias for that version.
    #[arg(long, requires = "register")]
    alias: Option<String>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let name = match args.name {
        Some(name) => name,
        None => own_name(&args.directory)?,
    };
    let registered = args.register.clone();
    let logged = publish::log_directory(&LogOptions {
        directory: args.directory,
        name,
        run_id: args.run_id,
        experiment_name: args.experiment,
        registered_model_name: args.register,
        alias: args.alias.clone(),
        ..Default::default()
    })?;
    if args.json {
        let object = json!({
            "model_uri": logged.model_uri,
            "model_id": logged.model_id,
            "run_id": logged.run_id,
            "artifact_path": logged.artifact_path,
            "artifact_uri": logged.artifact_uri,
            "registered_model_version": logged.registered_model_version,
        });
        return super::print(&format!("{object}\n"));
    }
    let mut text =
        format!("model       {}\nrun         {}\nartifacts   {}\n", logged.model_uri, logged.run_id, logged.artifact_uri);
    if let (Some(name), Some(version)) = (registered, logged.registered_model_version) {
        let alias = args.alias.map(|alias| format!("   models:/{name}@{alias}")).unwrap_or_default();
        let _ = writeln!(text, "registered  models:/{name}/{version}{alias}");
    }
    super::print(&text)
}

fn own_name(directory: &std::path::Path) -> Result<String> {
    let full = std::fs::canonicalize(directory).map_err(|error| Error::io(directory, error))?;
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| Error::new(Kind::InvalidArgument, "NAME_INVALID", "the directory has no name").remedy("give --name"))
}
