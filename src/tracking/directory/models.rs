//! Models of MLflow 3.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_yaml::Value;

use super::{
    Directory,
    files::{self, Meta},
};
use crate::{
    error::{Error, Result},
    tracking::{LoggedModel, ModelVersion, NewLoggedModel, Run, fresh, here, missing},
};

/// The numbers of a model's status.
const PENDING: i64 = 1;
const READY: i64 = 2;
const FAILED: i64 = 3;

impl Directory {
    fn model_directory(&self, id: &str) -> Result<PathBuf> {
        let absent = || missing::logged_model(id, &self.shown);
        let part = files::part(id).ok_or_else(absent)?;
        let all = self.experiments()?.into_iter().map(|directory| directory.join("models").join(part));
        all.into_iter().find(|model| model.join("meta.yaml").is_file()).ok_or_else(absent)
    }

    fn model(&self, directory: &Path) -> Result<Option<LoggedModel>> {
        let Some(meta) = Meta::read(directory)?.filter(|meta| !meta.deleted()) else { return Ok(None) };
        let beside = directory.join("artifacts");
        let artifact_uri = match meta.text("artifact_location") {
            Some(uri) => self.located(&uri, &beside),
            None => beside.display().to_string(),
        };
        Ok(Some(LoggedModel {
            id: directory.file_name().map(|id| id.to_string_lossy().into_owned()).unwrap_or_default(),
            experiment_id: meta.text("experiment_id").unwrap_or_default(),
            name: meta.text("name").unwrap_or_default(),
            artifact_uri,
            source_run_id: meta.text("source_run_id"),
            ready: meta.number("status") == READY,
            created: meta.number("creation_timestamp"),
        }))
    }

    pub(super) fn read_model(&self, id: &str) -> Result<LoggedModel> {
        self.model(&self.model_directory(id)?)?.ok_or_else(|| missing::logged_model(id, &self.shown))
    }

    pub(super) fn models_of_run(&self, run: &Run, name: &str) -> Result<Vec<LoggedModel>> {
        let Some(part) = files::part(&run.experiment_id) else { return Ok(Vec::new()) };
        let directory = self.root.join(part).join("models");
        let mut found = Vec::new();
        for id in files::names(&directory)? {
            if let Some(model) = self.model(&directory.join(id))?
                && model.name == name
                && model.source_run_id.as_deref() == Some(&run.id)
            {
                found.push(model);
            }
        }
        found.sort_by_key(|model| std::cmp::Reverse(model.created));
        Ok(found)
    }

    /// Whether an MLflow 3 keeps the directory: an older one would not see models of their own. What says nothing is taken for older, whose
    /// form every MLflow reads.
    fn of_mlflow_3(&self) -> Result<bool> {
        for directory in self.experiments()? {
            let newer = |meta: Meta| meta.has("workspace") || meta.has("trace_location");
            if directory.join("models").is_dir() || Meta::read(&directory)?.is_some_and(newer) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn make_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        if !self.of_mlflow_3()? {
            return Ok(None);
        }
        let absent = || missing::experiment(&model.experiment_id, &self.shown);
        let experiment = self.root.join(files::part(&model.experiment_id).ok_or_else(absent)?);
        let meta = Meta::read(&experiment)?.filter(|meta| !meta.deleted()).ok_or_else(absent)?;
        let (id, now) = (format!("m-{}", fresh::id()?), fresh::now());
        let location = self.located(&meta.text("artifact_location").unwrap_or_default(), &experiment);
        let directory = experiment.join("models").join(&id);
        for part in ["metrics", "params", "tags"] {
            let part = directory.join(part);
            fs::create_dir_all(&part).map_err(|error| Error::io(&part, error))?;
        }
        files::write_pairs(&directory.join("params"), &model.params)?;
        files::write_pairs(&directory.join("tags"), &model.tags)?;
        let keys = [
            ("artifact_location", format!("{}/models/{id}/artifacts", location.trim_end_matches('/')).into()),
            ("creation_timestamp", now.into()),
            ("experiment_id", model.experiment_id.as_str().into()),
            ("last_updated_timestamp", now.into()),
            ("lifecycle_stage", "active".into()),
            ("model_id", id.as_str().into()),
            ("model_type", Value::Null),
            ("name", model.name.as_str().into()),
            ("source_run_id", model.source_run_id.as_str().into()),
            ("status", PENDING.into()),
            ("status_message", Value::Null),
        ];
        Meta::new(&directory, keys).write()?;
        self.read_model(&id).map(Some)
    }

    pub(super) fn end_model(&self, id: &str, ready: bool) -> Result<()> {
        let mut meta = Meta::read(&self.model_directory(id)?)?.ok_or_else(|| missing::logged_model(id, &self.shown))?;
        meta.set("status", if ready { READY } else { FAILED });
        meta.set("last_updated_timestamp", fresh::now());
        meta.write()
    }

    pub(super) fn write_version_tag(&self, id: &str, version: &ModelVersion) -> Result<()> {
        let path = self.model_directory(id)?.join("tags").join(here::VERSIONS);
        let before = files::read(&path)?;
        files::write(&path, &here::appended(before.as_deref(), &here::version_json(version)))
    }
}
