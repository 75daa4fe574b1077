//! A version of a registered model, or a logged model that is ready: their files never change.

use std::{ops::Range, path::Path, sync::Arc};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{artifacts, located, place};
use crate::{
    error::Result,
    store::place::{Entry, Part, Place},
    tracking::{LoggedModel, ModelVersion, Tracking},
};

/// Where the files lie is asked when they are needed: for a version that has been downloaded, never.
pub(super) struct Settled {
    known: Tracking,
    model: Model,
    path: String,
    names: usize,
    shown: String,
    key: String,
    found: OnceCell<Arc<dyn Place>>,
}

enum Model {
    Version(ModelVersion),
    At(String),
}

impl Settled {
    /// A version. The time tells it from one of the same number of a model that was deleted and made anew.
    pub(super) fn version(known: Tracking, version: ModelVersion, path: String, names: usize) -> Self {
        let shown = super::join(&version.model_uri(), &path);
        let key = format!("{}\n{shown}\n{}", known.registry.uri(), version.created);
        Self { known, model: Model::Version(version), path, names, shown, key, found: OnceCell::new() }
    }

    /// A logged model.
    pub(super) fn logged(known: Tracking, model: LoggedModel, path: String, names: usize) -> Self {
        let shown = super::join(&format!("models:/{}", model.id), &path);
        let key = format!("{}\n{shown}", known.tracking.uri());
        Self { known, model: Model::At(model.artifact_uri), path, names, shown, key, found: OnceCell::new() }
    }

    async fn found(&self) -> Result<&Arc<dyn Place>> {
        let find = || async {
            let location = match &self.model {
                Model::Version(version) => located(&self.known, version, &self.path, self.names).await,
                Model::At(uri) => artifacts(&self.known, &super::join(uri, &self.path), self.names).await,
            };
            location.map(place)
        };
        self.found.get_or_try_init(find).await
    }
}

#[async_trait]
impl Place for Settled {
    fn origin(&self) -> &str {
        &self.shown
    }

    fn key(&self) -> String {
        self.key.clone()
    }

    fn settled(&self) -> bool {
        true
    }

    async fn list(&self) -> Result<Vec<Entry>> {
        self.found().await?.list().await
    }

    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part> {
        self.found().await?.read(name, range).await
    }

    async fn read_entry(&self, entry: &Entry, range: Option<Range<u64>>) -> Result<Part> {
        self.found().await?.read_entry(entry, range).await
    }

    async fn write(&self, name: &str, file: &Path) -> Result<()> {
        self.found().await?.write(name, file).await
    }
}
