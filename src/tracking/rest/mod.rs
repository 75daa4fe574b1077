//! An MLflow server, by its REST API of 2.x and 3.x.

mod answer;
mod models;
mod registry;
mod runs;

use async_trait::async_trait;
use serde_json::Value;

use self::answer::Refusal;
use super::{
    Backend, Experiment, LoggedModel, ModelVersion, NewLoggedModel, NewRun, NewVersion, Pairs, RegisteredModel, Run, RunStatus,
};
use crate::{
    error::Result,
    http::{Client, Method},
};

/// A client of one server.
pub(super) struct Rest {
    client: Client,
    /// Its address, without a slash at its end, user and password.
    address: String,
}

/// What an API call gives: its answer as JSON, or the server's refusal.
type Answer = std::result::Result<Value, Refusal>;

impl Rest {
    pub(super) fn new(client: Client, address: String) -> Self {
        Self { client, address }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Answer {
        let request = self.client.request(Method::GET, &self.url(path)).query(query);
        answer::read(&self.address, path, self.client.send(request).await)
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.with_body(Method::POST, path, body).await
    }

    async fn with_body(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.client.request(method, &self.url(path)).json(body);
        answer::read(&self.address, path, self.client.send(request).await)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/2.0/mlflow/{path}", self.address)
    }
}

#[async_trait]
impl Backend for Rest {
    fn uri(&self) -> &str {
        &self.address
    }

    fn server(&self) -> Option<&str> {
        Some(&self.address)
    }

    async fn experiment(&self, name: &str) -> Result<Option<Experiment>> {
        self.get_experiment(name).await
    }

    async fn create_experiment(&self, name: &str) -> Result<String> {
        self.post_experiment(name).await
    }

    async fn run(&self, id: &str) -> Result<Run> {
        self.get_run(id).await
    }

    async fn create_run(&self, run: NewRun) -> Result<Run> {
        self.post_run(run).await
    }

    async fn set_status(&self, run: &str, status: RunStatus) -> Result<()> {
        self.update_run(run, status).await
    }

    async fn set_tags(&self, run: &str, tags: &Pairs) -> Result<()> {
        self.post_tags(run, tags).await
    }

    async fn logged_models(&self, run: &Run, name: &str) -> Result<Vec<LoggedModel>> {
        self.search_logged_models(run, name).await
    }

    async fn logged_model(&self, id: &str) -> Result<LoggedModel> {
        self.get_logged_model(id).await
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        self.post_logged_model(model).await
    }

    async fn finish_logged_model(&self, id: &str, ready: bool) -> Result<()> {
        self.patch_logged_model(id, ready).await
    }

    async fn add_output(&self, run: &str, model: &str) -> Result<()> {
        self.post_output(run, model).await
    }

    async fn record_model(&self, run: &str, json: &str) -> Result<()> {
        self.post_model_record(run, json).await
    }

    async fn registered_models(&self, containing: &str) -> Result<Vec<RegisteredModel>> {
        self.search_registered(containing).await
    }

    async fn create_registered_model(&self, name: &str) -> Result<bool> {
        self.post_registered(name).await
    }

    async fn version(&self, name: &str, version: u64) -> Result<ModelVersion> {
        self.get_version(name, version).await
    }

    async fn by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion> {
        self.get_by_alias(name, alias).await
    }

    async fn latest(&self, name: &str, stage: Option<&str>) -> Result<ModelVersion> {
        self.post_latest(name, stage).await
    }

    async fn download_uri(&self, version: &ModelVersion) -> Result<String> {
        self.get_download_uri(version).await
    }

    async fn create_version(&self, version: &NewVersion) -> Result<ModelVersion> {
        self.post_version(version).await
    }

    async fn set_alias(&self, name: &str, alias: &str, version: u64) -> Result<()> {
        self.post_alias(name, alias, version).await
    }
}
