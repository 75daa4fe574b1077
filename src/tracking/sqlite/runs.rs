//! Experiments and runs.

use std::path::Path;

use rusqlite::params;

use super::file::{
    Cell::{IfThere, Needed},
    File,
};
use crate::{
    error::{Error, Kind, Result},
    tracking::{Experiment, NewRun, Pairs, Run, RunStatus, fresh, here, missing},
};

/// The tag in which MLflow 2 and older keep what models a run logged.
const HISTORY: &str = "mlflow.log-model.history";

/// Files made since 3.0 keep at most this many characters of a tag, older ones fewer.
const TAG_LENGTH: usize = 8000;

pub(super) fn experiment(file: &File<'_>, name: &str) -> Result<Option<Experiment>> {
    let sql = format!(
        "SELECT experiment_id, artifact_location FROM experiments WHERE name = ? AND lifecycle_stage = 'active'{}",
        file.workspace("experiments")
    );
    file.row(&sql, [name], |row| {
        let artifact_location = row.get::<_, Option<String>>(1)?.unwrap_or_default();
        Ok(Experiment { id: row.get::<_, i64>(0)?.to_string(), name: name.to_owned(), artifact_location })
    })
}

/// Beside the artifacts of the experiments that are there, else below `mlruns` beside the file, as MLflow itself would.
pub(super) fn create_experiment(file: &File<'_>, name: &str, home: &Path) -> Result<String> {
    if let Some(found) = experiment(file, name)? {
        return Ok(found.id);
    }
    let now = fresh::now();
    let taken = format!("SELECT 1 FROM experiments WHERE name = ?{}", file.workspace("experiments"));
    if file.row(&taken, [name], |_| Ok(()))?.is_some() {
        let error =
            Error::new(Kind::AlreadyExists, "TRACKING_EXISTS", format!("the experiment '{name}' is deleted in '{}'", file.shown));
        return Err(error.remedy("restore the experiment, or name another"));
    }
    let first = "SELECT artifact_location FROM experiments WHERE experiment_id = 0";
    let first: Option<String> = file.row(first, [], |row| row.get::<_, Option<String>>(0))?.flatten();
    let root = first.and_then(|place| Some(place.strip_suffix("/0")?.to_owned()));
    let root = root.unwrap_or_else(|| home.join("mlruns").display().to_string());
    let id = file.insert(
        "experiments",
        &[
            ("name", Needed(&name)),
            ("artifact_location", Needed(&"")),
            ("lifecycle_stage", Needed(&"active")),
            ("creation_time", IfThere(&now)),
            ("last_update_time", IfThere(&now)),
            ("workspace", IfThere(&"default")),
            // Numbered by the file.
            ("experiment_id", Needed(&None::<i64>)),
        ],
    )?;
    file.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", params![format!("{root}/{id}"), id])?;
    Ok(id.to_string())
}

pub(super) fn run(file: &File<'_>, id: &str) -> Result<Run> {
    let sql = "SELECT experiment_id, name, artifact_uri FROM runs WHERE run_uuid = ?";
    let run = file.row(sql, [id], |row| {
        Ok(Run {
            id: id.to_owned(),
            experiment_id: row.get::<_, i64>(0)?.to_string(),
            name: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            artifact_uri: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            params: Vec::new(),
        })
    })?;
    let mut run = run.ok_or_else(|| missing::run(id, file.shown))?;
    run.params = file.rows("SELECT key, value FROM params WHERE run_uuid = ?", [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(run)
}

/// The first experiment, which MLflow makes when it first opens a file; its artifact location.
fn create_first(file: &File<'_>, home: &Path) -> Result<String> {
    let now = fresh::now();
    let place = home.join("mlruns/0").display().to_string();
    file.insert(
        "experiments",
        &[
            ("experiment_id", Needed(&0)),
            ("name", Needed(&"Default")),
            ("artifact_location", Needed(&place)),
            ("lifecycle_stage", Needed(&"active")),
            ("creation_time", IfThere(&now)),
            ("last_update_time", IfThere(&now)),
            ("workspace", IfThere(&"default")),
        ],
    )?;
    Ok(place)
}

pub(super) fn create(file: &File<'_>, run: &NewRun, home: &Path) -> Result<String> {
    let absent = || missing::experiment(&run.experiment_id, file.shown);
    let experiment: i64 = run.experiment_id.parse().map_err(|_| absent())?;
    let sql = "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'";
    let any = "SELECT 1 FROM experiments WHERE experiment_id = ?";
    let place: String = match file.row(sql, [experiment], |row| row.get(0))? {
        Some(place) => place,
        None if experiment == 0 && file.row(any, [experiment], |_| Ok(()))?.is_none() => create_first(file, home)?,
        None => return Err(absent()),
    };
    let id = fresh::id()?;
    let name = run.name.clone().unwrap_or_else(|| fresh::run_name(&id));
    let artifact_uri = format!("{}/{id}/artifacts", place.trim_end_matches('/'));
    file.insert(
        "runs",
        &[
            ("run_uuid", Needed(&id)),
            ("name", Needed(&name)),
            ("source_type", IfThere(&"UNKNOWN")),
            ("source_name", IfThere(&"")),
            ("entry_point_name", IfThere(&"")),
            ("user_id", IfThere(&run.user)),
            ("status", Needed(&RunStatus::Running.name())),
            ("start_time", Needed(&fresh::now())),
            ("source_version", IfThere(&"")),
            ("lifecycle_stage", Needed(&"active")),
            ("artifact_uri", Needed(&artifact_uri)),
            ("experiment_id", Needed(&experiment)),
        ],
    )?;
    let mut tags = run.tags.clone();
    if !tags.iter().any(|(key, _)| key == "mlflow.runName") {
        tags.push(("mlflow.runName".into(), name));
    }
    set_tags(file, &id, &tags)?;
    Ok(id)
}

pub(super) fn set_status(file: &File<'_>, run: &str, status: RunStatus) -> Result<()> {
    let end = (status != RunStatus::Running).then(fresh::now);
    let sql = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?";
    match file.execute(sql, params![status.name(), end, run])? {
        0 => Err(missing::run(run, file.shown)),
        _ => Ok(()),
    }
}

pub(super) fn set_tags(file: &File<'_>, id: &str, tags: &Pairs) -> Result<()> {
    run(file, id)?;
    for (key, value) in tags {
        file.put("tags", &[("key", Needed(key)), ("value", Needed(value)), ("run_uuid", Needed(&id))])?;
    }
    Ok(())
}

pub(super) fn record_model(file: &File<'_>, id: &str, json: &str) -> Result<()> {
    run(file, id)?;
    let sql = "SELECT value FROM tags WHERE run_uuid = ? AND key = ?";
    let before: Option<String> = file.row(sql, params![id, HISTORY], |row| row.get(0))?;
    let history = here::appended(before.as_deref(), json);
    if history.chars().count() > TAG_LENGTH {
        tracing::warn!(run = id, "the list of the run's models has grown too long to be noted with the run");
        return Ok(());
    }
    set_tags(file, id, &vec![(HISTORY.to_owned(), history)])
}
