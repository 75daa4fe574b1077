//! A version of a registered model, whose files never change.

use std::{ops::Range, path::Path, sync::Arc};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{located, place};
use crate::{
    error::Result,
    store::place::{Entry, Part, Place},
    tracking::{ModelVersion, Tracking},
};

/// Where the files lie is asked when they are needed: for a version that has been downloaded, never.
pub(super) struct Version {
    known: Tracking,
    version: ModelVersion,
    path: String,
    names: usize,
    shown: String,
    found: OnceCell<Arc<dyn Place>>,
}

impl Version {
    pub(super) fn new(known: Tracking, version: ModelVersion, path: String, names: usize) -> Self {
        let shown = super::join(&version.model_uri(), &path);
        Self { known, version, path, names, shown, found: OnceCell::new() }
    }

    async fn found(&self) -> Result<&Arc<dyn Place>> {
        let find = || async { located(&self.known, &self.version, &self.path, self.names).await.map(place) };
        self.found.get_or_try_init(find).await
    }
}

#[async_trait]
impl Place for Version {
    fn origin(&self) -> &str {
        &self.shown
    }

    /// The time tells it from a version of the same number of a model that was deleted and made anew.
    fn key(&self) -> String {
        format!("{}\n{}\n{}", self.known.registry.uri(), self.shown, self.version.created)
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
