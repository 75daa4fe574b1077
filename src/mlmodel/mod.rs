//! The `MLmodel` file as data.

mod signature;

use std::path::Path;

use serde_yaml::{Mapping, Value};

pub use signature::{ColumnSpec, ColumnType, ParamSpec, Property, SchemaSpec, Signature, TensorSpec};

use crate::error::{Error, Kind, Result};

/// Name of the file in a model's directory.
pub const MLMODEL: &str = "MLmodel";

/// An `MLmodel` file: the keys mlflight reads are fields, all others are kept in `rest` and written back.
#[derive(Debug, Clone, PartialEq)]
pub struct MlModel {
    /// Flavor name to its keys, in file order.
    pub flavors: Mapping,
    /// The `signature` key; empty when there is none.
    pub signature: Signature,
    /// Every other top-level key, in file order.
    pub rest: Mapping,
}

impl MlModel {
    /// Reads `directory/MLmodel`.
    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join(MLMODEL);
        let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
        Self::parse(&text).map_err(|error| error.context(path.display()))
    }

    /// Parses the text of an `MLmodel` file.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |message: String| Error::new(Kind::InvalidModel, "MLMODEL_INVALID", message);
        let mut rest: Mapping = serde_yaml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let Some(Value::Mapping(flavors)) = rest.remove("flavors") else {
            return Err(invalid("the key 'flavors' is missing or is no map".into()));
        };
        let signature = Signature::from_yaml(rest.remove("signature"))?;
        Ok(Self { flavors, signature, rest })
    }

    /// The keys of a flavor, when the model has it.
    pub fn flavor(&self, name: &str) -> Option<&Mapping> {
        self.flavors.get(name).and_then(Value::as_mapping)
    }
}
