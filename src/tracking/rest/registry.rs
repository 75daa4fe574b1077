//! Registered models, their versions and aliases.

use serde_json::{Value, json};

use super::{
    Rest,
    answer::{self, Refusal, filled, from_pairs, list, number, text},
};
use crate::{
    error::{Error, Result},
    tracking::{ModelVersion, NewVersion, RegisteredModel, missing},
};

/// Registered models that are asked for at once.
const PAGE: usize = 200;

/// No search is followed over more pages.
const MAX_PAGES: usize = 1000;

impl Rest {
    pub(super) async fn search_registered(&self, containing: &str) -> Result<Vec<RegisteredModel>> {
        const PATH: &str = "registered-models/search";
        let page = PAGE.to_string();
        // A quote or a wildcard cannot be written inside a pattern: such a text is looked for among all.
        let plain = !containing.is_empty() && !containing.contains(['\'', '%', '_', '\\']);
        let filter = format!("name ILIKE '%{containing}%'");
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = vec![("max_results", page.as_str())];
            if plain {
                query.push(("filter", filter.as_str()));
            }
            if let Some(token) = &token {
                query.push(("page_token", token.as_str()));
            }
            let answer = self.get(PATH, &query).await.map_err(Refusal::into_error)?;
            found.extend(list(&answer, "registered_models").filter_map(read_registered));
            token = filled(&answer, "next_page_token");
            if token.is_none() {
                break;
            }
        }
        let wanted = containing.to_lowercase();
        found.retain(|model| model.name.to_lowercase().contains(&wanted));
        Ok(found)
    }

    pub(super) async fn post_registered(&self, name: &str) -> Result<bool> {
        match self.post("registered-models/create", &json!({"name": name})).await {
            Ok(_) => Ok(true),
            Err(Refusal::Exists(_)) => Ok(false),
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    pub(super) async fn get_version(&self, name: &str, version: u64) -> Result<ModelVersion> {
        const PATH: &str = "model-versions/get";
        let answer = self.get(PATH, &[("name", name), ("version", &version.to_string())]).await;
        let absent = || missing::version(name, version, &self.address);
        let answer = answer.map_err(|refusal| refusal.or_absent(absent))?;
        self.read_version(PATH, &answer["model_version"])
    }

    pub(super) async fn get_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion> {
        const PATH: &str = "registered-models/alias";
        match self.get(PATH, &[("name", name), ("alias", alias)]).await {
            Ok(answer) => self.read_version(PATH, &answer["model_version"]),
            Err(Refusal::Absent(_)) => Err(missing::registered(name, &self.address)),
            // The word for an alias that is not there is that for a wrong parameter.
            Err(Refusal::Other(error)) if error.code() == "TRACKING_REFUSED" => {
                Err(missing::alias(name, alias, &self.address).source(error))
            }
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    pub(super) async fn post_latest(&self, name: &str, stage: Option<&str>) -> Result<ModelVersion> {
        const PATH: &str = "registered-models/get-latest-versions";
        let mut body = json!({"name": name});
        if let Some(stage) = stage {
            body["stages"] = json!([stage]);
        }
        let absent = || missing::latest(name, stage, &self.address);
        let answer = match self.post(PATH, &body).await {
            Ok(answer) => answer,
            Err(Refusal::Absent(_)) => return Err(missing::registered(name, &self.address)),
            Err(Refusal::Other(error)) if stage.is_some() && error.code() == "TRACKING_REFUSED" => {
                return Err(absent().source(error));
            }
            Err(refusal) => return Err(refusal.into_error()),
        };
        let versions: Result<Vec<_>> = list(&answer, "model_versions").map(|found| self.read_version(PATH, found)).collect();
        versions?.into_iter().max_by_key(|version| version.version).ok_or_else(absent)
    }

    pub(super) async fn get_download_uri(&self, version: &ModelVersion) -> Result<String> {
        const PATH: &str = "model-versions/get-download-uri";
        let ModelVersion { name, version, .. } = version;
        let answer = self.get(PATH, &[("name", name), ("version", &version.to_string())]).await;
        let absent = || missing::version(name, *version, &self.address);
        let answer = answer.map_err(|refusal| refusal.or_absent(absent))?;
        filled(&answer, "artifact_uri").ok_or_else(|| answer::lacking(&self.address, PATH, "artifact_uri"))
    }

    pub(super) async fn post_version(&self, version: &NewVersion) -> Result<ModelVersion> {
        const PATH: &str = "model-versions/create";
        let mut body = json!({"name": version.name, "source": version.source, "tags": from_pairs(&version.tags)});
        if let Some(run) = &version.run_id {
            body["run_id"] = run.as_str().into();
        }
        if let Some(model) = &version.model_id {
            body["model_id"] = model.as_str().into();
        }
        let answer = self.post(PATH, &body).await;
        let absent = || missing::registered(&version.name, &self.address);
        let answer = answer.map_err(|refusal| refusal.or_absent(absent))?;
        self.read_version(PATH, &answer["model_version"])
    }

    pub(super) async fn post_alias(&self, name: &str, alias: &str, version: u64) -> Result<()> {
        let body = json!({"name": name, "alias": alias, "version": version.to_string()});
        let answer = self.post("registered-models/alias", &body).await;
        answer.map_err(|refusal| refusal.or_absent(|| missing::version(name, version, &self.address)))?;
        Ok(())
    }

    fn read_version(&self, path: &str, found: &Value) -> Result<ModelVersion> {
        let lacking = |what: &str| -> Error { answer::lacking(&self.address, path, what) };
        Ok(ModelVersion {
            name: text(found, "name").ok_or_else(|| lacking("the version's name"))?,
            version: text(found, "version").and_then(|text| text.parse().ok()).ok_or_else(|| lacking("the version's number"))?,
            source: text(found, "source").unwrap_or_default(),
            location: None,
            stage: filled(found, "current_stage").filter(|stage| stage != "None"),
            status: filled(found, "status").unwrap_or_else(|| "READY".into()),
            run_id: filled(found, "run_id"),
            created: number(found, "creation_timestamp"),
        })
    }
}

fn read_registered(found: &Value) -> Option<RegisteredModel> {
    let version = |value: &Value| text(value, "version").and_then(|text| text.parse().ok());
    let aliases = list(found, "aliases").filter_map(|alias| Some((text(alias, "alias")?, version(alias)?))).collect();
    Some(RegisteredModel {
        name: text(found, "name")?,
        description: text(found, "description").unwrap_or_default(),
        updated: number(found, "last_updated_timestamp"),
        latest: list(found, "latest_versions").filter_map(version).max(),
        aliases,
    })
}
