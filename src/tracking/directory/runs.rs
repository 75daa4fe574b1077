//! Experiments and runs.

use std::{fs, path::PathBuf};

use serde_yaml::Value;

use super::{
    Directory,
    files::{self, Meta},
};
use crate::{
    error::{Error, Result},
    tracking::{Experiment, NewRun, Pairs, Run, RunStatus, fresh, here, missing},
};

/// Directories of an experiment that are no runs.
const NO_RUNS: [&str; 4] = ["tags", "datasets", "traces", "models"];

/// The tag in which MLflow 2 and older keep what models a run logged.
const HISTORY: &str = "mlflow.log-model.history";

impl Directory {
    /// The directories of all experiments, deleted ones last.
    pub(super) fn experiments(&self) -> Result<Vec<PathBuf>> {
        let live = files::names(&self.root)?.into_iter().map(|name| self.root.join(name));
        let trash = self.root.join(".trash");
        let deleted = files::names(&trash)?.into_iter().map(|name| trash.join(name));
        Ok(live.chain(deleted).filter(|path| path.join("meta.yaml").is_file()).collect())
    }

    pub(super) fn find_experiment(&self, name: &str) -> Result<Option<Experiment>> {
        for directory in self.experiments()? {
            let Some(meta) = Meta::read(&directory)? else { continue };
            if meta.text("name").as_deref() == Some(name) && !meta.deleted() {
                let id = directory.file_name().map(|id| id.to_string_lossy().into_owned()).unwrap_or_default();
                let location = meta.text("artifact_location").unwrap_or_default();
                let artifact_location = self.located(&location, &directory);
                return Ok(Some(Experiment { id, name: name.to_owned(), artifact_location }));
            }
        }
        Ok(None)
    }

    pub(super) fn make_experiment(&self, name: &str) -> Result<String> {
        if let Some(found) = self.find_experiment(name)? {
            return Ok(found.id);
        }
        let id = match name {
            "Default" => "0".to_owned(),
            // Eighteen digits of chance, as MLflow's own.
            _ => {
                let number = u64::from_str_radix(&fresh::id()?[..15], 16).unwrap_or(1);
                (100_000_000_000_000_000 + number % 800_000_000_000_000_000).to_string()
            }
        };
        let directory = self.root.join(&id);
        // A directory that begins here is one of MLflow 3.
        let made = if self.experiments()?.is_empty() { directory.join("models") } else { directory.clone() };
        fs::create_dir_all(&made).map_err(|error| Error::io(&made, error))?;
        let now = fresh::now();
        let keys = [
            ("artifact_location", directory.display().to_string().into()),
            ("creation_time", now.into()),
            ("experiment_id", id.as_str().into()),
            ("last_update_time", now.into()),
            ("lifecycle_stage", "active".into()),
            ("name", name.into()),
        ];
        Meta::new(&directory, keys).write()?;
        Ok(id)
    }

    fn run_directory(&self, id: &str) -> Result<PathBuf> {
        let absent = || missing::run(id, &self.shown);
        let part = files::part(id).filter(|_| !NO_RUNS.contains(&id)).ok_or_else(absent)?;
        let found =
            self.experiments()?.into_iter().map(|directory| directory.join(part)).find(|run| run.join("meta.yaml").is_file());
        found.ok_or_else(absent)
    }

    pub(super) fn read_run(&self, id: &str) -> Result<Run> {
        let directory = self.run_directory(id)?;
        let absent = || missing::run(id, &self.shown);
        let meta = Meta::read(&directory)?.ok_or_else(absent)?;
        let beside = directory.join("artifacts");
        let artifact_uri = match meta.text("artifact_uri") {
            Some(uri) => self.located(&uri, &beside),
            None => beside.display().to_string(),
        };
        Ok(Run {
            id: id.to_owned(),
            experiment_id: meta.text("experiment_id").unwrap_or_else(|| "0".into()),
            name: meta.text("run_name").or_else(|| meta.text("name")).unwrap_or_default(),
            artifact_uri,
            params: files::pairs(&directory.join("params"))?,
        })
    }

    pub(super) fn make_run(&self, run: &NewRun) -> Result<Run> {
        let absent = || missing::experiment(&run.experiment_id, &self.shown);
        let experiment = self.root.join(files::part(&run.experiment_id).ok_or_else(absent)?);
        if !experiment.join("meta.yaml").is_file() {
            // As MLflow does, the first experiment is made with the directory.
            if run.experiment_id != "0" {
                return Err(absent());
            }
            self.make_experiment("Default")?;
        }
        let meta = Meta::read(&experiment)?.ok_or_else(absent)?;
        let id = fresh::id()?;
        let directory = experiment.join(&id);
        let name = run.name.clone().unwrap_or_else(|| fresh::run_name(&id));
        let location = self.located(&meta.text("artifact_location").unwrap_or_default(), &experiment);
        let artifact_uri = format!("{}/{id}/artifacts", location.trim_end_matches('/'));
        for part in ["metrics", "params", "tags", "artifacts"] {
            let part = directory.join(part);
            fs::create_dir_all(&part).map_err(|error| Error::io(&part, error))?;
        }
        let mut tags = run.tags.clone();
        if !tags.iter().any(|(key, _)| key == "mlflow.runName") {
            tags.push(("mlflow.runName".into(), name.clone()));
        }
        files::write_pairs(&directory.join("tags"), &tags)?;
        let keys = [
            ("artifact_uri", artifact_uri.into()),
            ("end_time", Value::Null),
            ("entry_point_name", "".into()),
            ("experiment_id", run.experiment_id.as_str().into()),
            ("lifecycle_stage", "active".into()),
            ("run_id", id.as_str().into()),
            ("run_name", name.into()),
            ("run_uuid", id.as_str().into()),
            ("source_name", "".into()),
            // LOCAL
            ("source_type", 4.into()),
            ("source_version", "".into()),
            ("start_time", fresh::now().into()),
            ("status", RunStatus::Running.number().into()),
            ("tags", Value::Sequence(Vec::new())),
            ("user_id", run.user.as_str().into()),
        ];
        Meta::new(&directory, keys).write()?;
        self.read_run(&id)
    }

    pub(super) fn write_status(&self, run: &str, status: RunStatus) -> Result<()> {
        let mut meta = Meta::read(&self.run_directory(run)?)?.ok_or_else(|| missing::run(run, &self.shown))?;
        meta.set("status", status.number());
        let end = if status == RunStatus::Running { Value::Null } else { fresh::now().into() };
        meta.set("end_time", end);
        meta.write()
    }

    pub(super) fn write_tags(&self, run: &str, tags: &Pairs) -> Result<()> {
        files::write_pairs(&self.run_directory(run)?.join("tags"), tags)
    }

    pub(super) fn write_history(&self, run: &str, json: &str) -> Result<()> {
        let path = self.run_directory(run)?.join("tags").join(HISTORY);
        let before = files::read(&path)?;
        files::write(&path, &here::appended(before.as_deref(), json))
    }

    pub(super) fn write_output(&self, run: &str, model: &str) -> Result<()> {
        let part = files::part(model).ok_or_else(|| missing::logged_model(model, &self.shown))?;
        let directory = self.run_directory(run)?.join("outputs").join(part);
        let keys = [
            ("destination_id", model.into()),
            ("destination_type", "MODEL_OUTPUT".into()),
            ("source_id", model.into()),
            ("source_type", "RUN_OUTPUT".into()),
            ("step", 0.into()),
            ("tags", Value::Mapping(Default::default())),
        ];
        Meta::new(&directory, keys).write()
    }
}
