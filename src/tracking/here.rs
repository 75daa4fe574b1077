//! Artifact locations on this machine, also of stores that were moved since they were written.

use std::path::{Path, PathBuf};

use url::Url;

use super::ModelVersion;

/// The path of an artifact location on this machine: plain, or a `file:` URI.
pub(super) fn local(uri: &str) -> Option<PathBuf> {
    match uri.split_once(':') {
        None => Some(PathBuf::from(uri)),
        Some(("file", rest)) if !rest.starts_with('/') => Some(PathBuf::from(rest)),
        Some(("file", _)) => Url::parse(uri).ok()?.to_file_path().ok(),
        Some(_) => None,
    }
}

/// Where artifacts lie that a store in `home` says to lie at `uri`. A location on this machine is made absolute. One that is not there
/// is looked for beside the store: it was copied from another machine, or a server over it wrote below `mlartifacts`.
pub(super) fn located(uri: &str, home: &Path) -> String {
    if let Some(tail) = uri.strip_prefix("mlflow-artifacts:") {
        let beside = home.join("mlartifacts").join(tail.trim_start_matches('/'));
        let written = !tail.starts_with("//") && beside.is_dir() && !tail.split('/').any(|part| part == "..");
        return if written { beside.display().to_string() } else { uri.to_owned() };
    }
    let Some(path) = local(uri) else { return uri.to_owned() };
    if !path.exists() {
        let parts: Vec<_> = path.components().collect();
        let root = parts.iter().rposition(|part| part.as_os_str() == "mlruns");
        if let Some(root) = root {
            let moved = home.join("mlruns").join(parts[root + 1..].iter().collect::<PathBuf>());
            if moved.exists() {
                return moved.display().to_string();
            }
        }
    }
    std::path::absolute(&path).unwrap_or(path).display().to_string()
}

/// The tag of a model of MLflow 3 that names the versions made from it.
pub(super) const VERSIONS: &str = "mlflow.modelVersions";

/// A version as that tag has it.
pub(super) fn version_json(version: &ModelVersion) -> String {
    serde_json::json!({"name": version.name, "version": version.version}).to_string()
}

/// A list of JSON objects with one more.
pub(super) fn appended(list: Option<&str>, json: &str) -> String {
    let mut all: Vec<serde_json::Value> = list.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    all.extend(serde_json::from_str(json).ok());
    serde_json::Value::Array(all).to_string()
}
