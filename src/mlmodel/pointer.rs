//! Pointers of Git LFS: files that stand for others which were not fetched.

use std::path::Path;

use crate::error::{Error, Kind, Result};

/// A pointer has fewer bytes.
pub const MAX_BYTES: u64 = 1024;
/// What it begins with.
const BEGIN: &[u8] = b"version https://git-lfs";

/// Refuses a file that begins with these bytes where it is a pointer.
pub fn refuse(path: &Path, begin: &[u8]) -> Result<()> {
    if !begin.starts_with(BEGIN) {
        return Ok(());
    }
    let message = format!("{}: a Git LFS pointer and not the file itself", path.display());
    Err(Error::new(Kind::InvalidModel, "GIT_LFS_POINTER", message)
        .remedy("run `git lfs pull` in the repository that the model was cloned from"))
}
