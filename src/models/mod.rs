//! What is loaded: models by digest and load options, shared by every front end.

mod cache;
mod leased;
mod rights;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use cache::{Models, ModelsOptions};
pub use rights::{ModelRequest, Rights, RightsOptions};

use crate::{
    error::{Error, Kind, Result},
    flavors::{self, Engine, LoadOptions, Loaded},
    mlmodel::MlModel,
    score::{Model, ScoreOptions, Scorer},
    store::{self, Lease, Resolved},
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
    /// Keeps the directory where it is, for a model of the cache of downloads.
    pub lease: Option<Lease>,
}

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// What [`store::resolve`] calls the place; empty for one that was uploaded or made in memory.
    pub uri: String,
    /// SHA-256 of its directory in hex; empty where nobody asked for it.
    pub digest: String,
}

impl LoadedModel {
    /// Loads the model a URI names.
    pub fn load(uri: &str, options: &LoadOptions) -> Result<Arc<Self>> {
        let found = store::resolve(uri)?;
        let origin = Origin { uri: found.origin, digest: String::new() };
        Self::load_leased(&found.directory, options, origin, found.lease)
    }

    /// Loads the model of a local directory.
    pub fn load_directory(directory: &Path, options: &LoadOptions, origin: Origin) -> Result<Arc<Self>> {
        Self::load_leased(directory, options, origin, None)
    }

    fn load_leased(directory: &Path, options: &LoadOptions, origin: Origin, lease: Option<Lease>) -> Result<Arc<Self>> {
        store::check(directory)?;
        let mlmodel = MlModel::load(directory)?;
        let Loaded { model, engine, flavor, reason } = flavors::load(&mlmodel, directory, options)?;
        let model = match &lease {
            Some(lease) => leased::keep(model, lease.clone()),
            None => model,
        };
        Ok(Arc::new(Self { mlmodel, directory: directory.to_owned(), model, engine, flavor, reason, origin, lease }))
    }

    /// A scorer over this model.
    pub fn scorer(&self, options: ScoreOptions) -> Result<Scorer> {
        Scorer::new(self.model.clone(), Arc::new(self.mlmodel.signature.clone()), options)
    }
}

/// What two loads must have in common to be one loaded model: the model, by its digest or else by its URI, and the options.
pub fn load_key(model: &str, options: &LoadOptions) -> String {
    format!("{}{options:?}", key_prefix(model))
}

/// What the keys of all loads of a model begin with.
fn key_prefix(model: &str) -> String {
    format!("{model}|")
}

impl Models {
    /// The model of a URI, from the cache where it is there. A model whose digest is not the expected one (if any is) is refused.
    /// Blocks while the model is loaded.
    pub fn load(&self, uri: &str, expected: &str, options: &LoadOptions) -> Result<Arc<LoadedModel>> {
        self.load_resolved(&store::resolve(uri)?, expected, options)
    }

    /// The same for a model that was found.
    pub fn load_resolved(&self, found: &Resolved, expected: &str, options: &LoadOptions) -> Result<Arc<LoadedModel>> {
        let digest = match store::remembered(&found.directory)? {
            Some(digest) => digest,
            None => {
                // A file that is refused anyway is not hashed first.
                MlModel::load(&found.directory)?;
                found.digest()?
            }
        };
        if !expected.is_empty() && expected != digest.as_str() {
            return Err(changed(&found.origin).expected(expected).found(digest));
        }
        self.get_or_load(&load_key(digest.as_str(), options), || {
            tracing::info!(model = found.origin, digest = digest.as_str(), "loading a model");
            let origin = Origin { uri: found.origin.clone(), digest: digest.to_string() };
            LoadedModel::load_leased(&found.directory, options, origin, found.lease.clone())
        })
    }

    /// Drops what is cached of a model.
    pub fn forget(&self, model: &LoadedModel) {
        if !model.origin.digest.is_empty() {
            self.evict(&key_prefix(&model.origin.digest));
        }
    }
}

/// The error for a model that is another than the one that was planned with.
fn changed(model: &str) -> Error {
    let message = format!("the model '{model}' is not the one the request was planned with");
    Error::new(Kind::FailedPrecondition, "DIGEST_MISMATCH", message).remedy("plan the query again")
}
