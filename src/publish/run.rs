//! The run that a model is logged to.

use super::options::{LogOptions, RunOptions};
use crate::{
    error::Result,
    http,
    tracking::{NewRun, Run, RunStatus, Tracking, variable},
};

/// The first experiment of every store.
const FIRST: &str = "0";

/// Begins a run, or goes on with one. It stays open until [`end_run`].
pub fn start_run(options: &RunOptions) -> Result<Run> {
    http::block_on(async {
        let known = Tracking::from_env()?;
        match &options.run_id {
            Some(id) => {
                let run = known.tracking.run(id).await?;
                known.tracking.set_status(id, RunStatus::Running).await?;
                if !options.tags.is_empty() {
                    known.tracking.set_tags(id, &options.tags).await?;
                }
                Ok(run)
            }
            None => start(&known, options).await,
        }
    })?
}

/// Ends a run.
pub fn end_run(id: &str, status: RunStatus) -> Result<()> {
    http::block_on(async { Tracking::from_env()?.tracking.set_status(id, status).await })?
}

/// The run to log to, and whether it was made for that.
pub(super) async fn find_or_start(known: &Tracking, options: &LogOptions) -> Result<(Run, bool)> {
    if let Some(id) = options.run_id.clone().or_else(|| variable("MLFLOW_RUN_ID")) {
        return Ok((known.tracking.run(&id).await?, false));
    }
    let options = RunOptions { experiment_name: options.experiment_name.clone(), ..Default::default() };
    Ok((start(known, &options).await?, true))
}

async fn start(known: &Tracking, options: &RunOptions) -> Result<Run> {
    let user = variable("LOGNAME").or_else(|| variable("USER")).unwrap_or_else(|| "unknown".into());
    let mut tags = options.tags.clone();
    let source = if options.source_name.is_empty() { "mlflight" } else { &options.source_name };
    for (key, value) in [("mlflow.user", user.as_str()), ("mlflow.source.name", source), ("mlflow.source.type", "LOCAL")] {
        if tags.iter().all(|(known, _)| known != key) {
            tags.push((key.to_owned(), value.to_owned()));
        }
    }
    let experiment_id = experiment(known, options.experiment_name.as_deref()).await?;
    known.tracking.create_run(NewRun { experiment_id, name: options.run_name.clone(), user, tags }).await
}

/// The id of the experiment for a new run.
async fn experiment(known: &Tracking, name: Option<&str>) -> Result<String> {
    if let (None, Some(id)) = (name, variable("MLFLOW_EXPERIMENT_ID")) {
        return Ok(id);
    }
    let Some(name) = name.map(str::to_owned).or_else(|| variable("MLFLOW_EXPERIMENT_NAME")) else { return Ok(FIRST.into()) };
    match known.tracking.experiment(&name).await? {
        Some(found) => Ok(found.id),
        None => known.tracking.create_experiment(&name).await,
    }
}
