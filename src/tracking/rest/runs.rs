//! Experiments and runs.

use serde_json::{Value, json};

use super::{
    Rest,
    answer::{self, Refusal, from_pairs, text},
};
use crate::{
    error::Result,
    tracking::{Experiment, NewRun, Pairs, Run, RunStatus, fresh, missing},
};

impl Rest {
    pub(super) async fn get_experiment(&self, name: &str) -> Result<Option<Experiment>> {
        const PATH: &str = "experiments/get-by-name";
        match self.get(PATH, &[("experiment_name", name)]).await {
            Err(Refusal::Absent(_)) => Ok(None),
            Err(refusal) => Err(refusal.into_error()),
            Ok(answer) => {
                let found = &answer["experiment"];
                let id = text(found, "experiment_id").ok_or_else(|| answer::lacking(&self.address, PATH, "experiment_id"))?;
                if text(found, "lifecycle_stage").as_deref() == Some("deleted") {
                    return Ok(None);
                }
                let artifact_location = text(found, "artifact_location").unwrap_or_default();
                Ok(Some(Experiment { id, name: name.to_owned(), artifact_location }))
            }
        }
    }

    pub(super) async fn post_experiment(&self, name: &str) -> Result<String> {
        const PATH: &str = "experiments/create";
        match self.post(PATH, &json!({"name": name})).await {
            Ok(answer) => text(&answer, "experiment_id").ok_or_else(|| answer::lacking(&self.address, PATH, "experiment_id")),
            // Somebody else was faster, or it is deleted.
            Err(Refusal::Exists(error)) => match self.get_experiment(name).await? {
                Some(found) => Ok(found.id),
                None => Err(error.remedy("restore the experiment, or name another")),
            },
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    pub(super) async fn get_run(&self, id: &str) -> Result<Run> {
        const PATH: &str = "runs/get";
        let answer = self.get(PATH, &[("run_id", id), ("run_uuid", id)]).await;
        let answer = answer.map_err(|refusal| refusal.or_absent(|| missing::run(id, &self.address)))?;
        self.read_run(PATH, &answer["run"])
    }

    pub(super) async fn post_run(&self, run: NewRun) -> Result<Run> {
        const PATH: &str = "runs/create";
        let mut tags = run.tags.clone();
        if let Some(name) = &run.name
            && !tags.iter().any(|(key, _)| key == "mlflow.runName")
        {
            // Servers older than 2.0 know the name by this tag alone.
            tags.push(("mlflow.runName".into(), name.clone()));
        }
        let mut body = json!({
            "experiment_id": run.experiment_id,
            "user_id": run.user,
            "start_time": fresh::now(),
            "tags": from_pairs(&tags),
        });
        if let Some(name) = &run.name {
            body["run_name"] = Value::from(name.as_str());
        }
        let answer = self.post(PATH, &body).await;
        let answer = answer.map_err(|refusal| refusal.or_absent(|| missing::experiment(&run.experiment_id, &self.address)))?;
        self.read_run(PATH, &answer["run"])
    }

    pub(super) async fn update_run(&self, run: &str, status: RunStatus) -> Result<()> {
        let mut body = json!({"run_id": run, "run_uuid": run, "status": status.name()});
        if status != RunStatus::Running {
            body["end_time"] = fresh::now().into();
        }
        let answer = self.post("runs/update", &body).await;
        answer.map_err(|refusal| refusal.or_absent(|| missing::run(run, &self.address)))?;
        Ok(())
    }

    pub(super) async fn post_tags(&self, run: &str, tags: &Pairs) -> Result<()> {
        let answer = self.post("runs/log-batch", &json!({"run_id": run, "tags": from_pairs(tags)})).await;
        answer.map_err(|refusal| refusal.or_absent(|| missing::run(run, &self.address)))?;
        Ok(())
    }

    fn read_run(&self, path: &str, run: &Value) -> Result<Run> {
        let info = &run["info"];
        let id = text(info, "run_id").or_else(|| text(info, "run_uuid"));
        let (Some(id), Some(artifact_uri)) = (id, text(info, "artifact_uri")) else {
            return Err(answer::lacking(&self.address, path, "the run's artifact_uri"));
        };
        let experiment_id = text(info, "experiment_id").unwrap_or_else(|| "0".into());
        let name = text(info, "run_name").unwrap_or_default();
        Ok(Run { id, experiment_id, name, artifact_uri, params: answer::pairs(&run["data"], "params") })
    }
}
