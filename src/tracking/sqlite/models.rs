//! Models of MLflow 3.

use rusqlite::{Row, params};

use super::file::{
    Cell::{IfThere, Needed},
    File,
};
use crate::{
    error::Result,
    tracking::{LoggedModel, ModelVersion, NewLoggedModel, Run, fresh, here, missing},
};

const TABLE: &str = "logged_models";

const SELECT: &str = "SELECT model_id, experiment_id, name, artifact_location, source_run_id, status, creation_timestamp_ms \
                      FROM logged_models WHERE lifecycle_stage = 'active' AND ";

/// The numbers of a model's status.
const PENDING: i64 = 1;
const READY: i64 = 2;
const FAILED: i64 = 3;

fn read(row: &Row<'_>) -> rusqlite::Result<LoggedModel> {
    Ok(LoggedModel {
        id: row.get(0)?,
        experiment_id: row.get::<_, i64>(1)?.to_string(),
        name: row.get(2)?,
        artifact_uri: row.get(3)?,
        source_run_id: row.get(4)?,
        ready: row.get::<_, i64>(5)? == READY,
        created: row.get(6)?,
    })
}

pub(super) fn of_run(file: &File<'_>, run: &Run, name: &str) -> Result<Vec<LoggedModel>> {
    if !file.has_table(TABLE) {
        return Ok(Vec::new());
    }
    let sql = format!("{SELECT} source_run_id = ? AND name = ? ORDER BY creation_timestamp_ms DESC, rowid DESC");
    file.rows(&sql, params![run.id, name], read)
}

pub(super) fn get(file: &File<'_>, id: &str) -> Result<LoggedModel> {
    let found = if file.has_table(TABLE) { file.row(&format!("{SELECT} model_id = ?"), [id], read)? } else { None };
    found.ok_or_else(|| missing::logged_model(id, file.shown))
}

pub(super) fn create(file: &File<'_>, model: &NewLoggedModel) -> Result<Option<String>> {
    if !file.has_table(TABLE) {
        return Ok(None);
    }
    let absent = || missing::experiment(&model.experiment_id, file.shown);
    let experiment: i64 = model.experiment_id.parse().map_err(|_| absent())?;
    let sql = "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'";
    let place: String = file.row(sql, [experiment], |row| row.get(0))?.ok_or_else(absent)?;
    let (id, now) = (format!("m-{}", fresh::id()?), fresh::now());
    let location = format!("{}/models/{id}/artifacts", place.trim_end_matches('/'));
    file.insert(
        TABLE,
        &[
            ("model_id", Needed(&id)),
            ("experiment_id", Needed(&experiment)),
            ("name", Needed(&model.name)),
            ("artifact_location", Needed(&location)),
            ("creation_timestamp_ms", Needed(&now)),
            ("last_updated_timestamp_ms", Needed(&now)),
            ("status", Needed(&PENDING)),
            ("lifecycle_stage", Needed(&"active")),
            ("source_run_id", Needed(&model.source_run_id)),
        ],
    )?;
    for (table, [key, value], pairs) in [
        ("logged_model_params", ["param_key", "param_value"], &model.params),
        ("logged_model_tags", ["tag_key", "tag_value"], &model.tags),
    ] {
        for (name, text) in pairs {
            let row =
                [("model_id", Needed(&id)), ("experiment_id", Needed(&experiment)), (key, Needed(name)), (value, Needed(text))];
            file.put(table, &row)?;
        }
    }
    Ok(Some(id))
}

pub(super) fn finish(file: &File<'_>, id: &str, ready: bool) -> Result<()> {
    let status = if ready { READY } else { FAILED };
    let sql = "UPDATE logged_models SET status = ?, last_updated_timestamp_ms = ? WHERE model_id = ?";
    match file.execute(sql, params![status, fresh::now(), id])? {
        0 => Err(missing::logged_model(id, file.shown)),
        _ => Ok(()),
    }
}

pub(super) fn add_output(file: &File<'_>, run: &str, model: &str) -> Result<()> {
    super::runs::run(file, run)?;
    file.put(
        "inputs",
        &[
            ("input_uuid", Needed(&fresh::id()?)),
            ("source_type", Needed(&"RUN_OUTPUT")),
            ("source_id", Needed(&run)),
            ("destination_type", Needed(&"MODEL_OUTPUT")),
            ("destination_id", Needed(&model)),
            ("step", IfThere(&0)),
        ],
    )?;
    Ok(())
}

pub(super) fn note_version(file: &File<'_>, id: &str, version: &ModelVersion) -> Result<()> {
    let sql = "SELECT experiment_id FROM logged_models WHERE model_id = ?";
    let experiment: i64 = file.row(sql, [id], |row| row.get(0))?.ok_or_else(|| missing::logged_model(id, file.shown))?;
    let sql = "SELECT tag_value FROM logged_model_tags WHERE model_id = ? AND tag_key = ?";
    let before: Option<String> = file.row(sql, [id, here::VERSIONS], |row| row.get(0))?;
    let value = here::appended(before.as_deref(), &here::version_json(version));
    let row = [
        ("model_id", Needed(&id)),
        ("experiment_id", Needed(&experiment)),
        ("tag_key", Needed(&here::VERSIONS)),
        ("tag_value", Needed(&value)),
    ];
    file.put("logged_model_tags", &row)
}
