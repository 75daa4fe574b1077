//! Small facts, each in a JSON file of its own that is replaced as a whole. One that cannot be read is as good as none.

use std::{io::Write as _, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Entry;
use crate::{error::Result, file, store::download::disk};

/// A fact is no larger: a listing of 100,000 long names.
const MAX_BYTES: u64 = 128 << 20;

/// What a place had.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) origin: String,
    pub(super) entries: Vec<Entry>,
    pub(super) digest: String,
}

impl Record {
    /// Whether a place that lists this still has the same bytes. Files without a version may have changed.
    pub(super) fn same(&self, entries: &[Entry]) -> bool {
        self.entries == entries && entries.iter().all(|entry| entry.version.is_some())
    }
}

/// What a URI stood for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    pub(super) origin: String,
    pub(super) digest: String,
}

pub(super) fn read<T: DeserializeOwned>(directory: &Path, id: &str) -> Option<T> {
    let bytes = file::read(&directory.join(format!("{id}.json")), MAX_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

pub(super) fn write<T: Serialize>(directory: &Path, id: &str, value: &T) -> Result<()> {
    let path = directory.join(format!("{id}.json"));
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(directory).map_err(|error| disk(&path, error))?;
    file.write_all(&text).map_err(|error| disk(&path, error))?;
    file.persist(&path).map_err(|error| disk(&path, error.error))?;
    Ok(())
}
