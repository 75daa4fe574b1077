//! Copies of files and directory trees.

use std::{fs, path::Path};

use crate::error::{Error, Kind, Result};

/// How deep directories may be nested: a link that leads back to a directory around it ends here.
const MAX_DEPTH: usize = 64;

/// What Python leaves behind and no model needs.
const CACHES: [&str; 2] = ["__pycache__", ".ipynb_checkpoints"];

pub(super) fn copy(source: &Path, target: &Path) -> Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
    }
    copy_to(source, target, 0)
}

fn copy_to(source: &Path, target: &Path, depth: usize) -> Result<()> {
    let failed = |error| Error::io(source, error);
    let kind = fs::metadata(source).map_err(failed)?.file_type();
    if kind.is_file() {
        return fs::copy(source, target).map(drop).map_err(|error| Error::io(target, error));
    }
    if !kind.is_dir() {
        return Err(crate::file::irregular(source, kind));
    }
    if depth == MAX_DEPTH {
        let message = format!("'{}' is nested deeper than {MAX_DEPTH} directories", source.display());
        return Err(Error::new(Kind::InvalidArgument, "TOO_DEEP", message));
    }
    fs::create_dir_all(target).map_err(|error| Error::io(target, error))?;
    for entry in fs::read_dir(source).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let left_out = CACHES.iter().any(|cache| name == *cache) || Path::new(&name).extension().is_some_and(|end| end == "pyc");
        if !left_out {
            copy_to(&entry.path(), &target.join(name), depth + 1)?;
        }
    }
    Ok(())
}

/// Bytes of all files below a directory but those of these names at its top.
pub(super) fn size(directory: &Path, but: &[&str]) -> Result<u64> {
    let failed = |error| Error::io(directory, error);
    let mut total = 0;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.metadata().map_err(failed)?;
        if kind.is_dir() {
            total += size(&entry.path(), &[])?;
        } else if !but.iter().any(|name| entry.file_name() == *name) {
            total += kind.len();
        }
    }
    Ok(total)
}
