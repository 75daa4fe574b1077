//! The files a flavor's keys name.

use std::{io::Read, path::Path};

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    file,
    formats::{objects::Graph, pickle, skops},
    memory,
    mlmodel::pointer,
    store,
};

/// A model file may have this many bytes.
const MAX_FILE: u64 = 4 << 30;
/// Files of at least this many bytes are mapped instead of read: reading them would take as long as building the model, and as
/// much memory.
const MAPPED: u64 = 8 << 20;

/// The bytes of a file inside the model's directory.
pub fn read(directory: &Path, relative: &str) -> Result<Bytes> {
    let path = store::within(directory, relative)?;
    let failed = |error| Error::io(&path, error);
    let mut opened = file::open(&path)?;
    let size = opened.metadata().map_err(failed)?.len();
    if size > MAX_FILE {
        return Err(file::too_large(&path, size, MAX_FILE));
    }
    if size >= MAPPED {
        return memory::mapped(&opened).map_err(failed);
    }
    let mut bytes = Vec::with_capacity(size as usize);
    opened.read_to_end(&mut bytes).map_err(failed)?;
    pointer::refuse(&path, &bytes)?;
    Ok(bytes.into())
}

/// Refuses a file that was left in Git LFS.
pub fn refuse_pointer(path: &Path) -> Result<()> {
    let failed = |error| Error::io(path, error);
    let size = path.metadata().map_err(failed)?.len();
    // Anything but a regular file is left to Python.
    if size >= pointer::MAX_BYTES || !path.is_file() {
        return Ok(());
    }
    pointer::refuse(path, &std::fs::read(path).map_err(failed)?)
}

/// The same for every file below a directory.
pub fn refuse_pointers(directory: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(directory).max_depth(MAX_DEPTH) {
        let entry = entry.map_err(|error| Error::io(directory, error.into()))?;
        if entry.file_type().is_file() {
            refuse_pointer(entry.path())?;
        }
    }
    Ok(())
}

/// How deep directories are looked into.
const MAX_DEPTH: usize = 16;

/// The objects in a file that MLflow saved with skops, or with pickle or cloudpickle: data, none of it run.
pub fn objects(directory: &Path, relative: &str, serialization_format: Option<&str>) -> Result<Graph> {
    let bytes = read(directory, relative)?;
    let read = if serialization_format == Some("skops") { skops::read(&bytes) } else { pickle::read(bytes) };
    read.map_err(|error| error.context(relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_files_are_their_bytes() {
        let directory = tempfile::tempdir().unwrap();
        for size in [0, 1, MAPPED as usize - 1, MAPPED as usize] {
            let written: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            std::fs::write(directory.path().join("model.pkl"), &written).unwrap();
            assert!(read(directory.path(), "model.pkl").unwrap() == written, "{size}");
        }
    }
}
