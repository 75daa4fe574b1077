//! Model URIs by their schemes.

use std::path::PathBuf;

use super::{
    digest::{self, Digest},
    file::{Files, scheme_of},
};
use crate::error::{Error, Kind, Result};

/// A model that was found. What is loaded, allowed, cached and logged goes by this, never by the text of a URI: many texts lead to one
/// model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The directory on this machine that holds `MLmodel`, absolute, its links followed.
    pub directory: PathBuf,
    /// The one name of the place it came from: for a local model the directory.
    pub origin: String,
}

impl Resolved {
    /// The digest of its files; those that have not changed since this process read them are not read again.
    pub fn digest(&self) -> Result<Digest> {
        digest::digest(&self.directory)
    }
}

/// Brings models of one kind of place to this machine.
pub(super) trait Scheme: Sync {
    /// Finds the model of a URI. Whether its files make sense is not looked at.
    fn resolve(&self, uri: &str) -> Result<Resolved>;
}

/// The schemes that are read. A URI without a scheme is a path.
const SCHEMES: [(&str, &dyn Scheme); 1] = [("file", &Files)];

/// Finds the model that a URI names: a path or a `file:` URI.
pub fn resolve(uri: &str) -> Result<Resolved> {
    let scheme = scheme_of(uri).unwrap_or("file");
    match SCHEMES.iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name)) {
        Some((_, found)) => found.resolve(uri),
        None => Err(unread(scheme, uri)),
    }
}

/// The error for a scheme that is not read.
pub(super) fn unread(scheme: &str, uri: &str) -> Error {
    let message = format!("models are not read from '{scheme}:' URIs by this version: '{uri}'");
    Error::new(Kind::Unimplemented, "MODEL_URI_SCHEME", message).remedy("download the model and name its directory")
}
