//! What a run logged at a path, and the model of that name: one place, in which the model's files win.

use std::{collections::BTreeMap, ops::Range, path::Path, sync::Arc};

use async_trait::async_trait;

use crate::{
    error::{Error, Kind, Result},
    http,
    store::place::{Entry, Part, Place},
};

/// Two places one over the other.
pub(super) struct Merged {
    shown: String,
    model: Arc<dyn Place>,
    run: Arc<dyn Place>,
}

impl Merged {
    pub(super) fn new(uri: &str, model: Arc<dyn Place>, run: Arc<dyn Place>) -> Self {
        Self { shown: http::redacted(uri), model, run }
    }
}

/// What a place lists; nothing where there is nothing.
async fn listed(place: &dyn Place) -> Result<Vec<Entry>> {
    match place.list().await {
        Err(error) if error.kind() == Kind::NotFound => Ok(Vec::new()),
        listed => listed,
    }
}

#[async_trait]
impl Place for Merged {
    fn origin(&self) -> &str {
        &self.shown
    }

    fn key(&self) -> String {
        format!("{}\n{}", self.model.key(), self.run.key())
    }

    async fn list(&self) -> Result<Vec<Entry>> {
        let (run, model) = futures::try_join!(listed(&*self.run), listed(&*self.model))?;
        let entries: BTreeMap<String, Entry> = run.into_iter().chain(model).map(|entry| (entry.name.clone(), entry)).collect();
        if entries.is_empty() {
            let message = format!("'{}': the run has neither artifacts nor a model there", self.shown);
            return Err(Error::new(Kind::NotFound, "MODEL_NOT_FOUND", message).remedy("check the path"));
        }
        Ok(entries.into_values().collect())
    }

    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part> {
        match self.model.read(name, range.clone()).await {
            Err(error) if error.kind() == Kind::NotFound => self.run.read(name, range).await,
            part => part,
        }
    }

    async fn write(&self, name: &str, file: &Path) -> Result<()> {
        self.model.write(name, file).await
    }
}
