//! The regular files of a model's directory, bounded and in one order everywhere.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::{
    error::{Error, Kind, Result},
    file,
};

/// A model holds no more files than this.
pub(super) const MAX_FILES: usize = 100_000;

/// Nor are its directories nested deeper.
pub(super) const MAX_DEPTH: usize = 64;

/// Nor have they more bytes together: a sparse file claims any size for nothing, and would be hashed for hours.
pub(super) const MAX_BYTES: u64 = 256 << 30;

/// One regular file.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// Path inside the directory, with `/` between names.
    pub name: String,
    pub size: u64,
    pub stamp: Stamp,
}

/// What changes when a file's content does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    pub size: u64,
    pub modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The same as numbers that can be written down. The device's number is not among them: it may be another after a restart.
    #[cfg(feature = "remote")]
    pub(super) fn mark(&self) -> [i64; 5] {
        [self.inode.cast_signed(), self.modified.0, self.modified.1, self.changed.0, self.changed.1]
    }
}

/// All regular files below a directory, sorted by the bytes of their names. Anything else than files and directories is refused.
pub(super) fn files(directory: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut bytes = 0u64;
    let mut open = vec![(directory.to_path_buf(), String::new(), 0)];
    let refuse = |code: &'static str, message: String| Error::new(Kind::InvalidModel, code, message);
    while let Some((path, prefix, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(refuse("TOO_DEEP", format!("directories nested deeper than {MAX_DEPTH}: '{}'", path.display())));
        }
        for entry in fs::read_dir(&path).map_err(|error| Error::io(&path, error))? {
            let entry = entry.map_err(|error| Error::io(&path, error))?;
            let path = entry.path();
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(refuse("NAME_NOT_UTF8", format!("a file name that is not UTF-8: '{}'", path.display())));
            };
            let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            let metadata = path.symlink_metadata().map_err(|error| Error::io(&path, error))?;
            if metadata.is_dir() {
                open.push((path, name, depth + 1));
            } else if metadata.is_file() {
                bytes = bytes.saturating_add(metadata.len());
                if bytes > MAX_BYTES {
                    return Err(file::too_large(directory, bytes, MAX_BYTES));
                }
                files.push(File { name, size: metadata.len(), stamp: Stamp::of(&metadata) });
            } else {
                return Err(file::irregular(&path, metadata.file_type()));
            }
            if files.len() + open.len() > MAX_FILES {
                return Err(refuse("TOO_MANY_FILES", format!("more than {MAX_FILES} files below '{}'", directory.display())));
            }
        }
    }
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
