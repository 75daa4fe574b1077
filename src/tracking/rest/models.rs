//! Models of MLflow 3, and the note that older servers keep of a run's models.

use serde_json::{Value, json};

use super::{
    Rest,
    answer::{self, Refusal, filled, from_pairs, number, text},
};
use crate::{
    error::{Error, Kind, Result},
    http::Method,
    tracking::{LoggedModel, NewLoggedModel, Run, missing},
};

/// A server takes no more params with a new model.
const PARAMS_AT_ONCE: usize = 100;

/// No search is followed over more pages.
const MAX_PAGES: usize = 1000;

impl Rest {
    pub(super) async fn get_logged_model(&self, id: &str) -> Result<LoggedModel> {
        let path = format!("logged-models/{}", segment(id)?);
        match self.get(&path, &[]).await {
            Ok(answer) => self.read_logged_model(&path, &answer["model"]),
            Err(Refusal::NoSuchCall(error)) => Err(missing::logged_model(id, &self.address)
                .detail("the server answers as one older than MLflow 3, which has no logged models")
                .source(error)),
            Err(refusal) => Err(refusal.or_absent(|| missing::logged_model(id, &self.address))),
        }
    }

    pub(super) async fn search_logged_models(&self, run: &Run, name: &str) -> Result<Vec<LoggedModel>> {
        const PATH: &str = "logged-models/search";
        // A quote cannot be written inside a filter: such a name is looked for among all.
        let filter = if name.contains('\'') { String::new() } else { format!("name = '{name}'") };
        let mut found = Vec::new();
        let mut body = json!({"experiment_ids": [run.experiment_id], "filter": filter});
        for _ in 0..MAX_PAGES {
            let answer = match self.post(PATH, &body).await {
                Ok(answer) => answer,
                Err(Refusal::NoSuchCall(_)) => return Ok(Vec::new()),
                Err(refusal) => return Err(refusal.into_error()),
            };
            for model in answer::list(&answer, "models") {
                let model = self.read_logged_model(PATH, model)?;
                if model.name == name && model.source_run_id.as_deref() == Some(&run.id) {
                    found.push(model);
                }
            }
            match filled(&answer, "next_page_token") {
                Some(token) => body["page_token"] = token.into(),
                None => break,
            }
        }
        found.sort_by_key(|model| std::cmp::Reverse(model.created));
        Ok(found)
    }

    pub(super) async fn post_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        const PATH: &str = "logged-models";
        let (first, more) = model.params.split_at(model.params.len().min(PARAMS_AT_ONCE));
        let body = json!({
            "experiment_id": model.experiment_id,
            "name": model.name,
            "source_run_id": model.source_run_id,
            "params": from_pairs(first),
            "tags": from_pairs(&model.tags),
        });
        let made = match self.post(PATH, &body).await {
            Ok(answer) => self.read_logged_model(PATH, &answer["model"])?,
            Err(Refusal::NoSuchCall(error)) => {
                tracing::debug!("no logged models: {error}");
                return Ok(None);
            }
            Err(refusal) => {
                return Err(refusal.or_absent(|| missing::experiment(&model.experiment_id, &self.address)));
            }
        };
        for params in more.chunks(PARAMS_AT_ONCE) {
            let path = format!("logged-models/{}/params", segment(&made.id)?);
            let body = json!({"model_id": made.id, "params": from_pairs(params)});
            self.post(&path, &body).await.map_err(Refusal::into_error)?;
        }
        Ok(Some(made))
    }

    pub(super) async fn patch_logged_model(&self, id: &str, ready: bool) -> Result<()> {
        let status = if ready { "LOGGED_MODEL_READY" } else { "LOGGED_MODEL_UPLOAD_FAILED" };
        let path = format!("logged-models/{}", segment(id)?);
        let answer = self.with_body(Method::PATCH, &path, &json!({"model_id": id, "status": status})).await;
        answer.map_err(|refusal| refusal.or_absent(|| missing::logged_model(id, &self.address)))?;
        Ok(())
    }

    pub(super) async fn post_output(&self, run: &str, model: &str) -> Result<()> {
        let body = json!({"run_id": run, "models": [{"model_id": model, "step": 0}]});
        let answer = self.post("runs/outputs", &body).await;
        answer.map_err(|refusal| refusal.or_absent(|| missing::run(run, &self.address)))?;
        Ok(())
    }

    pub(super) async fn post_model_record(&self, run: &str, json: &str) -> Result<()> {
        let answer = self.post("runs/log-model", &json!({"run_id": run, "model_json": json})).await;
        answer.map_err(|refusal| refusal.or_absent(|| missing::run(run, &self.address)))?;
        Ok(())
    }

    fn read_logged_model(&self, path: &str, model: &Value) -> Result<LoggedModel> {
        let info = &model["info"];
        let (Some(id), Some(artifact_uri)) = (text(info, "model_id"), text(info, "artifact_uri")) else {
            return Err(answer::lacking(&self.address, path, "the model's artifact_uri"));
        };
        Ok(LoggedModel {
            id,
            experiment_id: text(info, "experiment_id").unwrap_or_default(),
            name: text(info, "name").unwrap_or_default(),
            artifact_uri,
            source_run_id: filled(info, "source_run_id"),
            ready: text(info, "status").as_deref() == Some("LOGGED_MODEL_READY"),
            created: number(info, "creation_timestamp_ms"),
        })
    }
}

/// An id as a part of a path: one that would change the path is none.
fn segment(id: &str) -> Result<&str> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Ok(id);
    }
    let error = Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", format!("'{id}' is no id of a logged model"));
    Err(error.expected("m- and digits of hex"))
}
