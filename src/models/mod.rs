//! What is loaded: models by digest and load options, shared by every front end.

mod cache;
mod pool;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use cache::{Models, ModelsOptions};
pub use pool::Pool;

use crate::{
    error::Result,
    flavors::{self, Engine, LoadOptions, Loaded},
    mlmodel::MlModel,
    score::{Model, ScoreOptions, Scorer},
    store,
};

/// A loaded model with its file and where it came from.
pub struct LoadedModel {
    /// What the `MLmodel` file says.
    pub mlmodel: MlModel,
    /// The local directory it was loaded from.
    pub directory: PathBuf,
    /// The model.
    pub model: Arc<dyn Model>,
    /// `Native` or `Python`, never `Auto`.
    pub engine: Engine,
    /// The flavor that scores.
    pub flavor: String,
    /// Why this engine, in one line.
    pub reason: String,
    /// What it was called where it came from.
    pub origin: Origin,
}

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The URI it was named by; empty for one made in memory.
    pub uri: String,
    /// SHA-256 of its directory in hex; empty where nobody asked for it.
    pub digest: String,
}

impl LoadedModel {
    /// Loads the model a URI names.
    pub fn load(uri: &str, options: &LoadOptions) -> Result<Arc<Self>> {
        let origin = Origin { uri: uri.into(), digest: String::new() };
        Self::load_directory(&store::resolve(uri)?.directory, options, origin)
    }

    /// Loads the model of a local directory.
    pub fn load_directory(directory: &Path, options: &LoadOptions, origin: Origin) -> Result<Arc<Self>> {
        store::check(directory)?;
        let mlmodel = MlModel::load(directory)?;
        let Loaded { model, engine, flavor, reason } = flavors::load(&mlmodel, directory, options)?;
        Ok(Arc::new(Self { mlmodel, directory: directory.to_owned(), model, engine, flavor, reason, origin }))
    }

    /// A scorer over this model.
    pub fn scorer(&self, options: ScoreOptions) -> Result<Scorer> {
        Scorer::new(self.model.clone(), Arc::new(self.mlmodel.signature.clone()), options)
    }
}
