//! Locks that processes hold: each is a file, and ends with the process.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

use super::Lease;
use crate::error::{Error, Kind, Result};

/// How often a lock is tried that somebody else holds.
const PAUSE: Duration = Duration::from_millis(25);

/// The locks of one cache.
pub(super) struct Locks {
    /// Why the cache can only be read.
    pub(super) read_only: Option<io::Error>,
}

impl Locks {
    /// Refuses to go on where the cache can only be read.
    pub(super) fn writable(&self, root: &Path) -> Result<()> {
        let Some(error) = &self.read_only else { return Ok(()) };
        let kind = if error.kind() == io::ErrorKind::StorageFull { Kind::ResourceExhausted } else { Kind::FailedPrecondition };
        let code = if error.kind() == io::ErrorKind::StorageFull { "DISK_FULL" } else { "CACHE_READ_ONLY" };
        Err(Error::new(kind, code, format!("the cache '{}' cannot be written ({error})", root.display()))
            .remedy("name a directory that can be written by MLFLIGHT_CACHE_DIR"))
    }

    /// Waits until nobody else holds the lock, and takes it.
    pub(super) async fn exclusive(&self, path: &Path) -> Result<File> {
        loop {
            let file = File::options().create(true).truncate(false).read(true).write(true).open(path);
            let file = file.map_err(|error| Error::io(path, error))?;
            match file.try_lock() {
                Ok(()) if current(&file, path) => return Ok(file),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
                Err(TryLockError::Error(error)) => return Err(Error::io(path, error)),
            }
        }
    }

    /// Waits until nobody holds the lock for himself, and shares it.
    pub(super) async fn shared(&self, path: &Path) -> Result<Lease> {
        loop {
            let mut options = File::options();
            options.read(true);
            if self.read_only.is_none() {
                options.write(true).create(true).truncate(false);
            }
            let file = match options.open(path) {
                Ok(file) => file,
                // Nobody removes anything from a cache that was written once and is read only; any file will do.
                Err(_) if self.read_only.is_some() => {
                    return Ok(Lease::new(File::open("/dev/null").map_err(|error| Error::io(path, error))?));
                }
                Err(error) => return Err(Error::io(path, error)),
            };
            match file.try_lock_shared() {
                Ok(()) if current(&file, path) => return Ok(Lease::new(file)),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
                // A file system that is only read may know no locks.
                Err(TryLockError::Error(_)) if self.read_only.is_some() => return Ok(Lease::new(file)),
                Err(TryLockError::Error(error)) => return Err(Error::io(path, error)),
            }
        }
    }
}

/// Takes a lock if nobody has it.
pub(super) fn attempt(path: &Path) -> Option<File> {
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path).ok()?;
    (file.try_lock().is_ok() && current(&file, path)).then_some(file)
}

/// Whether a locked file is still the one of its name: locks of removed models are removed.
fn current(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (named.dev(), named.ino())
}

/// Sets the time of a lock to now: it tells when its model was last used.
pub(super) fn touch(path: &Path) {
    if let Ok(file) = File::options().write(true).open(path) {
        // A model that seems unused for longer than it is goes earlier, which does no harm.
        let _ = file.set_modified(SystemTime::now());
    }
}
