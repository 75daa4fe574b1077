//! Registered models, their versions and aliases.

use rusqlite::{Row, params};

use super::file::{
    Cell::{IfThere, Needed},
    File,
};
use crate::{
    error::{Error, Kind, Result},
    tracking::{ModelVersion, NewVersion, RegisteredModel, fresh, missing},
};

/// The stage of versions that were deleted.
const DELETED: &str = "Deleted_Internal";

const ALIASES: &str = "registered_model_aliases";

fn select(file: &File<'_>) -> String {
    let location = if file.has("model_versions", "storage_location") { "storage_location" } else { "NULL" };
    format!(
        "SELECT name, version, source, {location}, current_stage, status, run_id, creation_time FROM model_versions \
         WHERE current_stage IS NOT '{DELETED}'{} AND ",
        file.workspace("model_versions")
    )
}

fn read(row: &Row<'_>) -> rusqlite::Result<ModelVersion> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(ModelVersion {
        name: row.get(0)?,
        version: row.get::<_, i64>(1)?.try_into().unwrap_or_default(),
        source: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
        location: filled(row.get(3)?),
        stage: filled(row.get(4)?).filter(|stage| stage != "None"),
        status: filled(row.get(5)?).unwrap_or_else(|| "READY".into()),
        run_id: filled(row.get(6)?),
        created: row.get::<_, Option<i64>>(7)?.unwrap_or_default(),
    })
}

pub(super) fn version(file: &File<'_>, name: &str, version: u64) -> Result<ModelVersion> {
    let found = file.row(&format!("{} name = ? AND version = ?", select(file)), params![name, version as i64], read)?;
    match found {
        Some(found) => Ok(found),
        None => {
            named(file, name)?;
            Err(missing::version(name, version, file.shown))
        }
    }
}

pub(super) fn by_alias(file: &File<'_>, name: &str, alias: &str) -> Result<ModelVersion> {
    named(file, name)?;
    let sql = format!("SELECT version FROM {ALIASES} WHERE name = ? AND alias = ?{}", file.workspace(ALIASES));
    let found = if file.has_table(ALIASES) { file.row(&sql, [name, alias], |row| row.get::<_, i64>(0))? } else { None };
    match found {
        Some(number) => version(file, name, number.try_into().unwrap_or_default()),
        None => Err(missing::alias(name, alias, file.shown)),
    }
}

pub(super) fn latest(file: &File<'_>, name: &str, stage: Option<&str>) -> Result<ModelVersion> {
    named(file, name)?;
    let sql =
        format!("{} name = ?1 AND (?2 IS NULL OR lower(current_stage) = lower(?2)) ORDER BY version DESC LIMIT 1", select(file));
    file.row(&sql, params![name, stage], read)?.ok_or_else(|| missing::latest(name, stage, file.shown))
}

pub(super) fn search(file: &File<'_>, containing: &str) -> Result<Vec<RegisteredModel>> {
    let sql = format!(
        "SELECT name, description, last_updated_time FROM registered_models \
         WHERE instr(lower(name), lower(?)) > 0{} ORDER BY name",
        file.workspace("registered_models")
    );
    let mut models = file.rows(&sql, [containing], |row| {
        Ok(RegisteredModel {
            name: row.get(0)?,
            description: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            updated: row.get::<_, Option<i64>>(2)?.unwrap_or_default(),
            ..Default::default()
        })
    })?;
    for model in &mut models {
        let versions = file.rows(&format!("{} name = ?", select(file)), [&model.name], read)?;
        model.latest = versions.iter().map(|version| version.version).max();
        if file.has_table(ALIASES) {
            let sql = format!("SELECT alias, version FROM {ALIASES} WHERE name = ?{} ORDER BY alias", file.workspace(ALIASES));
            model.aliases =
                file.rows(&sql, [&model.name], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.try_into().unwrap_or_default())))?;
        }
    }
    Ok(models)
}

fn named(file: &File<'_>, name: &str) -> Result<()> {
    let sql = format!("SELECT 1 FROM registered_models WHERE name = ?{}", file.workspace("registered_models"));
    file.row(&sql, [name], |_| Ok(()))?.ok_or_else(|| missing::registered(name, file.shown))
}

pub(super) fn create_model(file: &File<'_>, name: &str) -> Result<bool> {
    if named(file, name).is_ok() {
        return Ok(false);
    }
    let now = fresh::now();
    file.insert(
        "registered_models",
        &[
            ("name", Needed(&name)),
            ("creation_time", Needed(&now)),
            ("last_updated_time", Needed(&now)),
            ("workspace", IfThere(&"default")),
        ],
    )?;
    Ok(true)
}

pub(super) fn create_version(file: &File<'_>, version: &NewVersion) -> Result<u64> {
    named(file, &version.name)?;
    let sql = format!("SELECT max(version) FROM model_versions WHERE name = ?{}", file.workspace("model_versions"));
    let newest: Option<i64> = file.row(&sql, [&version.name], |row| row.get(0))?.flatten();
    let (number, now) = (newest.unwrap_or(0) + 1, fresh::now());
    file.insert(
        "model_versions",
        &[
            ("name", Needed(&version.name)),
            ("version", Needed(&number)),
            ("creation_time", Needed(&now)),
            ("last_updated_time", Needed(&now)),
            ("current_stage", Needed(&"None")),
            ("source", Needed(&version.source)),
            ("storage_location", IfThere(&version.location)),
            ("run_id", Needed(&version.run_id)),
            ("status", Needed(&"READY")),
            ("workspace", IfThere(&"default")),
        ],
    )?;
    for (key, value) in &version.tags {
        let row = [
            ("key", Needed(key)),
            ("value", Needed(value)),
            ("name", Needed(&version.name)),
            ("version", Needed(&number)),
            ("workspace", IfThere(&"default")),
        ];
        file.put("model_version_tags", &row)?;
    }
    touch(file, &version.name, now)?;
    Ok(number as u64)
}

pub(super) fn set_alias(file: &File<'_>, name: &str, alias: &str, number: u64) -> Result<()> {
    version(file, name, number)?;
    if !file.has_table(ALIASES) {
        let error = Error::new(Kind::FailedPrecondition, "TRACKING_SCHEMA", format!("'{}' is older than aliases", file.shown));
        return Err(error.remedy("upgrade it by `mlflow db upgrade`, or leave the alias out"));
    }
    let row = [
        ("alias", Needed(&alias)),
        ("version", Needed(&(number as i64))),
        ("name", Needed(&name)),
        ("workspace", IfThere(&"default")),
    ];
    file.put(ALIASES, &row)?;
    touch(file, name, fresh::now())
}

fn touch(file: &File<'_>, name: &str, now: i64) -> Result<()> {
    let sql = format!("UPDATE registered_models SET last_updated_time = ? WHERE name = ?{}", file.workspace("registered_models"));
    file.execute(&sql, params![now, name])?;
    Ok(())
}
