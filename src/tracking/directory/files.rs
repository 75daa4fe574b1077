//! The small files of the directory.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use serde_yaml::{Mapping, Value};

use crate::{
    error::{Error, Kind, Result},
    file,
};

/// No record or tag is larger.
const MAX_BYTES: u64 = 1 << 20;

/// A record that is there.
pub(super) struct Meta {
    path: PathBuf,
    keys: Mapping,
}

impl Meta {
    /// The `meta.yaml` of a directory, `None` where there is none.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join("meta.yaml");
        let Some(text) = read(&path)? else { return Ok(None) };
        let keys = serde_yaml::from_str(&text).map_err(|error| {
            let message = format!("'{}' is no record of MLflow's", path.display());
            Error::new(Kind::FailedPrecondition, "NO_MLFLOW_STORE", message).source(error)
        })?;
        Ok(Some(Self { path, keys }))
    }

    /// A new record.
    pub(super) fn new(directory: &Path, keys: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let keys = keys.into_iter().map(|(key, value)| (Value::from(key), value)).collect();
        Self { path: directory.join("meta.yaml"), keys }
    }

    /// A key as text, numbers as they are printed; `None` for null and for nothing.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.keys.get(key)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> i64 {
        self.text(key).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    pub(super) fn deleted(&self) -> bool {
        self.text("lifecycle_stage").as_deref() == Some("deleted")
    }

    pub(super) fn map(&self, key: &str) -> Option<&Mapping> {
        self.keys.get(key)?.as_mapping()
    }

    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.keys.insert(Value::from(key), value.into());
    }

    pub(super) fn write(&self) -> Result<()> {
        let text = serde_yaml::to_string(&self.keys).map_err(|error| {
            Error::new(Kind::Internal, "YAML", format!("'{}' cannot be written", self.path.display())).source(error)
        })?;
        write(&self.path, &text)
    }
}

/// The text of a small file, `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>> {
    match file::read(path, MAX_BYTES) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a small file in one step, and the directories it lies in.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |error| Error::io(path, error);
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory).map_err(failed)?;
    let mut builder = tempfile::Builder::new();
    // As any file: what the process's mask leaves.
    builder.prefix(".mlflight-").permissions(fs::Permissions::from_mode(0o666));
    let mut draft = builder.tempfile_in(directory).map_err(failed)?;
    draft.write_all(text.as_bytes()).and_then(|()| draft.as_file().sync_all()).map_err(failed)?;
    draft.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// The names in a directory, none where there is no directory.
pub(super) fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(Error::io(directory, error)),
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// A name as one part of a path; `None` for what would lead elsewhere.
pub(super) fn part(name: &str) -> Option<&Path> {
    let path = Path::new(name);
    let mut parts = path.components();
    (matches!(parts.next(), Some(Component::Normal(part)) if part == path.as_os_str()) && parts.next().is_none()).then_some(path)
}

/// Keys and values: one small file a key, whose name may have `/`.
pub(super) fn pairs(directory: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(prefix) = open.pop() {
        for name in names(&directory.join(&prefix))? {
            let key = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let path = directory.join(&key);
            if path.is_dir() {
                open.push(key);
            } else if let Some(text) = read(&path)? {
                found.push((key, text));
            }
        }
    }
    Ok(found)
}

/// Writes keys and values; a key that would lead out of the directory is refused.
pub(super) fn write_pairs(directory: &Path, pairs: &[(String, String)]) -> Result<()> {
    for (key, value) in pairs {
        if key.is_empty() || !Path::new(key).components().all(|part| matches!(part, Component::Normal(_))) {
            let error =
                Error::new(Kind::InvalidArgument, "NAME_INVALID", format!("'{key}' cannot be the name of a param or tag"));
            return Err(error.expected("a name without '..' and without '/' at its start"));
        }
        write(&directory.join(key), value)?;
    }
    Ok(())
}
