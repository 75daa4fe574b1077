//! What is loaded: models by digest and load options, shared by every front end.

use std::{path::PathBuf, sync::Arc};

use crate::{
    error::Result,
    flavors::{self, LoadOptions, Loaded},
    mlmodel::MlModel,
    score::{ScoreOptions, Scorer},
    store,
};

/// A loaded model with its file and where it came from.
pub struct LoadedModel {
    /// What the `MLmodel` file says.
    pub mlmodel: MlModel,
    /// The local directory it was loaded from.
    pub directory: PathBuf,
    /// The model and how it is run.
    pub loaded: Loaded,
}

impl LoadedModel {
    /// Loads the model a URI names.
    pub fn load(uri: &str, options: &LoadOptions) -> Result<Arc<Self>> {
        let directory = store::resolve(uri)?.directory;
        let mlmodel = MlModel::load(&directory)?;
        let loaded = flavors::load(&mlmodel, &directory, options)?;
        Ok(Arc::new(Self { mlmodel, directory, loaded }))
    }

    /// A scorer over this model.
    pub fn scorer(&self, options: ScoreOptions) -> Result<Scorer> {
        Scorer::new(self.loaded.model.clone(), Arc::new(self.mlmodel.signature.clone()), options)
    }
}
