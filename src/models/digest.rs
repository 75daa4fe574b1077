//! What a model's directory holds, in one number.

use std::{fs::File, path::Path};

use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};

/// SHA-256 in hex over (relative path, size, SHA-256) of all regular files, sorted by path. Anything but files and directories
/// is refused.
pub fn digest(directory: &Path) -> Result<String> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            Error::new(Kind::NotFound, "MODEL_FILES", format!("cannot read the model's directory: {error}")).source(error)
        })?;
        let kind = entry.file_type();
        if kind.is_dir() {
            continue;
        }
        let relative = entry.path().strip_prefix(directory).unwrap_or(entry.path()).to_path_buf();
        if !kind.is_file() {
            return Err(Error::new(Kind::InvalidModel, "MODEL_FILES", format!("'{}' is no regular file", relative.display())));
        }
        files.push((relative, entry.into_path()));
    }
    files.sort();
    let mut whole = Sha256::new();
    for (relative, path) in files {
        let mut hasher = Sha256::new();
        let mut file = File::open(&path).map_err(|error| Error::io(&path, error))?;
        let size = std::io::copy(&mut file, &mut Writer(&mut hasher)).map_err(|error| Error::io(&path, error))?;
        let name = relative.to_string_lossy();
        whole.update((name.len() as u64).to_le_bytes());
        whole.update(name.as_bytes());
        whole.update(size.to_le_bytes());
        whole.update(hasher.finalize());
    }
    Ok(whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct Writer<'a>(&'a mut Sha256);

impl std::io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
