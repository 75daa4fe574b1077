//! From a model URI to a local, verified directory.

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};

/// A model's directory on this machine.
#[derive(Debug, Clone)]
pub struct LocalModel {
    /// The directory that holds `MLmodel`.
    pub directory: PathBuf,
}

/// Finds the model a URI names and brings it to this machine. Today: a path or a `file:` URI.
pub fn resolve(uri: &str) -> Result<LocalModel> {
    let directory = PathBuf::from(uri.strip_prefix("file://").unwrap_or(uri));
    if !directory.is_dir() {
        return Err(Error::new(Kind::NotFound, "MODEL_NOT_FOUND", format!("no model directory at '{uri}'")));
    }
    Ok(LocalModel { directory })
}
