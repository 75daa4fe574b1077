//! Model URIs, and paths that a model's own files name.

use std::path::{Component, Path, PathBuf};

use url::Url;

use crate::error::{Error, Kind, Result};

/// A model's directory on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalModel {
    /// The directory that holds `MLmodel`, absolute.
    pub directory: PathBuf,
}

/// Finds the model a URI names: a path or a `file:` URI. Whether its files make sense is not looked at.
pub fn resolve(uri: &str) -> Result<LocalModel> {
    let named = path(uri)?;
    let missing = |what: &str| Error::new(Kind::NotFound, "MODEL_NOT_FOUND", format!("{what} at '{uri}'"));
    let directory = match std::fs::canonicalize(&named) {
        Ok(directory) => directory,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing("no model directory").source(error)),
        Err(error) => return Err(Error::io(&named, error)),
    };
    if !directory.is_dir() {
        return Err(missing("a file, not a model directory,").remedy("name the directory that MLflow saved the model to"));
    }
    Ok(LocalModel { directory })
}

/// The path that a URI stands for, decoded once; links and `..` in it are as they are.
pub fn path(uri: &str) -> Result<PathBuf> {
    if uri.is_empty() {
        return Err(Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", "the model URI is empty"));
    }
    let scheme = match uri.split_once(':') {
        // One letter is no scheme, and neither is a path that exists.
        Some((scheme, _)) if is_scheme(scheme) && !Path::new(uri).exists() => scheme,
        _ => return Ok(PathBuf::from(uri)),
    };
    let invalid = |why: &str| Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", format!("{why}: '{uri}'"));
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(Error::new(
            Kind::Unimplemented,
            "MODEL_URI_SCHEME",
            format!("models are not read from '{scheme}:' URIs by this version: '{uri}'"),
        )
        .remedy("download the model and name its directory"));
    }
    // `file:relative/path` is what MLflow accepts beside real URIs.
    let rest = &uri[scheme.len() + 1..];
    if !rest.starts_with('/') {
        return Ok(PathBuf::from(rest));
    }
    let parsed = Url::parse(uri).map_err(|error| invalid("not a URI").source(error))?;
    parsed.to_file_path().map_err(|()| invalid("a file URI that names another host"))
}

fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
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
