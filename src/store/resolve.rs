//! Model URIs by their schemes.

use std::path::PathBuf;

use super::{
    digest::{self, Digest},
    file::{directory, path, scheme_of},
    lease::Lease,
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
    /// Keeps the directory where it is, for a model of the cache.
    pub lease: Option<Lease>,
}

impl Resolved {
    /// The digest of its files; those that have not changed since this process read them are not read again.
    pub fn digest(&self) -> Result<Digest> {
        digest::digest(&self.directory)
    }
}

/// Finds the model that a URI names: a path, a `file:` URI, or a model in another place, which is downloaded to the cache unless it is
/// there already.
#[cfg(feature = "remote")]
pub fn resolve(uri: &str) -> Result<Resolved> {
    // What is here already needs no threads.
    match scheme_of(uri) {
        Some(scheme) if !scheme.eq_ignore_ascii_case("file") => crate::http::block_on(super::fetch::resolve(uri))?,
        _ => directory(&path(uri)?, uri),
    }
}

/// Finds the model that a URI names: a path or a `file:` URI.
#[cfg(not(feature = "remote"))]
pub fn resolve(uri: &str) -> Result<Resolved> {
    match scheme_of(uri) {
        Some(scheme) if !scheme.eq_ignore_ascii_case("file") => Err(unread(scheme, uri)),
        _ => directory(&path(uri)?, uri),
    }
}

/// The error for a URI that names no path.
pub(super) fn unread(scheme: &str, uri: &str) -> Error {
    let message = format!("'{scheme}:' URIs are not paths: '{}'", bare(uri));
    Error::new(Kind::Unimplemented, "MODEL_URI_SCHEME", message).remedy("download the model and name its directory")
}

/// A URI without its query, which may hold a secret.
fn bare(uri: &str) -> &str {
    uri.split('?').next().unwrap_or_default()
}
