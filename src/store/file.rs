//! Models in directories of this machine, and paths that a model's own files name.

use std::path::{Component, Path, PathBuf};

use url::Url;

use super::resolve::{Resolved, unread};
use crate::error::{Error, Kind, Result};

/// The model in a directory, which `uri` named.
pub fn directory(path: &Path, uri: &str) -> Result<Resolved> {
    let missing = |what: &str| Error::new(Kind::NotFound, "MODEL_NOT_FOUND", format!("{what} at '{uri}'"));
    let directory = match std::fs::canonicalize(path) {
        Ok(directory) => directory,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing("no model directory").source(error)),
        Err(error) => return Err(Error::io(path, error)),
    };
    if !directory.is_dir() {
        return Err(missing("a file, not a model directory,").remedy("name the directory that MLflow saved the model to"));
    }
    Ok(Resolved { origin: directory.to_string_lossy().into_owned(), directory, lease: None })
}

/// The path that a URI stands for, decoded once; links and `..` in it are as they are.
pub fn path(uri: &str) -> Result<PathBuf> {
    if uri.is_empty() {
        return Err(Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", "the model URI is empty"));
    }
    let Some(scheme) = scheme_of(uri) else { return Ok(PathBuf::from(uri)) };
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(unread(scheme, uri));
    }
    let invalid = |why: &str| Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", format!("{why}: '{uri}'"));
    // `file:relative/path` is what MLflow accepts beside real URIs.
    let rest = &uri[scheme.len() + 1..];
    if !rest.starts_with('/') {
        return Ok(PathBuf::from(rest));
    }
    let parsed = Url::parse(uri).map_err(|error| invalid("not a URI").source(error))?;
    parsed.to_file_path().map_err(|()| invalid("a file URI that names another host"))
}

/// The scheme of a URI; `None` for a path. One letter is no scheme, and neither is the beginning of a path that exists.
pub(super) fn scheme_of(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let named = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (named && !Path::new(uri).exists()).then_some(scheme)
}

/// A path that a model's files name, inside the model's directory: one that would leave it, or that leads over a symlink, is
/// refused. It need not exist.
pub fn within(directory: &Path, relative: &str) -> Result<PathBuf> {
    let refuse = |why: &str| Error::new(Kind::InvalidModel, "PATH_OUTSIDE_MODEL", format!("path '{relative}' {why}"));
    let mut path = directory.to_path_buf();
    for component in Path::new(relative).components() {
        match component {
            Component::CurDir => continue,
            Component::Normal(name) => path.push(name),
            _ => return Err(refuse("leaves the model's directory")),
        }
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(refuse("is a symlink"));
        }
    }
    Ok(path)
}
