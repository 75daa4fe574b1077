//! A model's directory to a run and to the registry, as MLflow's own `log_model` leaves it. The directory itself is never changed.

mod model;
mod options;
mod register;
mod run;
mod upload;

use std::path::Path;

pub use self::{
    options::{LogOptions, Logged, RunOptions},
    run::{end_run, start_run},
};
use crate::{
    error::{Error, Result},
    http, store,
    tracking::{self, RunStatus, Tracking},
};

/// Logs a model: to the run that is named, that of MLFLOW_RUN_ID, or one that is made for it and ended.
///
/// On servers of MLflow 3 the model is an entity of its own, ready when all its files are there and failed when they could not be sent; on
/// older ones it is a directory among the run's artifacts.
pub fn log_directory(options: &LogOptions) -> Result<Logged> {
    let model = model::Model::open(&options.directory)?;
    // Before anything is made that would have to be taken back.
    options.registered_model_name.as_deref().map_or(Ok(()), tracking::check_registered_name)?;
    options.alias.as_deref().map_or(Ok(()), tracking::check_alias)?;
    http::block_on(async {
        let known = Tracking::from_env()?;
        let (run, made) = run::find_or_start(&known, options).await?;
        let logged = model::log(&known, &run, &model, options).await;
        if made {
            let status = if logged.is_ok() { RunStatus::Finished } else { RunStatus::Failed };
            let ended = known.tracking.set_status(&run.id, status).await;
            // The first failure is what counts.
            if logged.is_ok() {
                ended?;
            }
        }
        logged
    })?
}

/// Stores the files of a directory below a path among a run's artifacts; returns their artifact URI.
pub fn log_artifacts(directory: &Path, artifact_path: &str, run_id: &str) -> Result<String> {
    let files = store::listed(directory)?;
    http::block_on(async {
        let known = Tracking::from_env()?;
        let run = known.tracking.run(run_id).await?;
        let uri = store::join(&run.artifact_uri, artifact_path.trim_matches('/'));
        let place = store::writable(&uri, &known.tracking).await?;
        upload::files(&*place, directory, &files).await.map_err(|error: Error| error.context(format!("run '{run_id}'")))?;
        Ok(uri)
    })?
}
