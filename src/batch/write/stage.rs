//! Output that appears whole or not at all: written beside the target under a hidden name, synced, then renamed.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::{Error, Kind, Result};

/// The outputs that have temporary names now.
static STAGED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn staged() -> MutexGuard<'static, Vec<PathBuf>> {
    STAGED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every unfinished output of this process, which must end now.
pub fn abandon() {
    staged().drain(..).for_each(|path| remove(&path));
}

fn remove(path: &Path) {
    // A failure cannot be reported from here; the hidden name tells the user what the file is.
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// A directory for what is only needed during a run, removed with it.
#[cfg(feature = "remote")]
pub(in crate::batch) struct Scratch(tempfile::TempDir);

#[cfg(feature = "remote")]
impl Scratch {
    pub(in crate::batch) fn new() -> Result<Self> {
        let root = std::env::temp_dir();
        let made =
            tempfile::Builder::new().prefix("mlflight-batch-").tempdir_in(&root).map_err(|error| Error::io(&root, error))?;
        staged().push(made.path().to_owned());
        Ok(Self(made))
    }

    pub(in crate::batch) fn path(&self) -> &Path {
        self.0.path()
    }
}

#[cfg(feature = "remote")]
impl Drop for Scratch {
    fn drop(&mut self) {
        staged().retain(|path| path != self.0.path());
    }
}

/// An output under its temporary name; dropped without [`Stage::commit`] it leaves nothing behind.
pub(in crate::batch) struct Stage {
    target: PathBuf,
    temporary: PathBuf,
    directory: bool,
    overwrite: bool,
    committed: bool,
}

impl Stage {
    /// Prepares to write `target`, a directory or one file. An existing output is refused here, before any work.
    pub(super) fn new(target: &Path, directory: bool, overwrite: bool) -> Result<Self> {
        let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Error::new(Kind::InvalidArgument, "BAD_OUTPUT", format!("'{}' does not name an output", target.display()))
        })?;
        if target.symlink_metadata().is_ok() {
            if !overwrite {
                return Err(exists(target));
            }
            if target.is_dir() != directory {
                let (there, wanted) = if directory { ("a file", "a directory") } else { ("a directory", "one file") };
                let message = format!("'{}' is {there} and the output is {wanted}", target.display());
                return Err(Error::new(Kind::InvalidArgument, "BAD_OUTPUT", message));
            }
        }
        let parent = parent(target);
        fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".{name}.");
        // The output gets the mode of any new file, not that of a private temporary file.
        let mode = fs::Permissions::from_mode(if directory { 0o777 } else { 0o666 });
        builder.prefix(&prefix).suffix(".mlflight-tmp").permissions(mode);
        let temporary = if directory {
            builder.tempdir_in(parent).map_err(|error| Error::io(parent, error))?.keep()
        } else {
            let made = builder.tempfile_in(parent).map_err(|error| Error::io(parent, error))?;
            made.keep().map_err(|error| Error::io(parent, error.error))?.1
        };
        staged().push(temporary.clone());
        Ok(Self { target: target.to_owned(), temporary, directory, overwrite, committed: false })
    }

    /// Opens an output file for writing: the one file, or `relative` below the directory.
    pub(super) fn create(&self, relative: &Path) -> Result<(File, PathBuf)> {
        let path = if self.directory { self.temporary.join(relative) } else { self.temporary.clone() };
        if let Some(parent) = path.parent().filter(|_| self.directory) {
            fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        }
        let file = File::create(&path).map_err(|error| Error::io(&path, error))?;
        let shown = if self.directory { self.target.join(relative) } else { self.target.clone() };
        Ok((file, shown))
    }

    /// A directory on the output's disk, for temporary files without a name.
    pub(super) fn scratch(&self) -> &Path {
        parent(&self.target)
    }

    /// Gives the output its name. Every file must have been synced before.
    pub(super) fn commit(mut self) -> Result<()> {
        let fail = |error: rustix::io::Errno| match error {
            rustix::io::Errno::EXIST | rustix::io::Errno::NOTEMPTY => exists(&self.target),
            other => Error::io(&self.target, other.into()),
        };
        if self.directory {
            sync_directories(&self.temporary)?;
        }
        let there = self.target.symlink_metadata().is_ok();
        if self.overwrite && there && self.directory {
            // The two directories exchange their names, so a reader sees the old one or the new one.
            renameat_with(CWD, &self.temporary, CWD, &self.target, RenameFlags::EXCHANGE).map_err(fail)?;
            fs::remove_dir_all(&self.temporary).map_err(|error| Error::io(&self.temporary, error))?;
        } else if self.overwrite {
            fs::rename(&self.temporary, &self.target).map_err(|error| Error::io(&self.target, error))?;
        } else {
            renameat_with(CWD, &self.temporary, CWD, &self.target, RenameFlags::NOREPLACE).map_err(fail)?;
        }
        self.committed = true;
        sync(parent(&self.target))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        staged().retain(|path| *path != self.temporary);
        if !self.committed {
            remove(&self.temporary);
        }
    }
}

fn parent(target: &Path) -> &Path {
    target.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

fn exists(target: &Path) -> Error {
    Error::new(Kind::AlreadyExists, "OUTPUT_EXISTS", format!("the output '{}' exists", target.display()))
        .remedy("give --overwrite to replace it")
}

fn sync(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| Error::io(directory, error))
}

fn sync_directories(root: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(root).contents_first(true) {
        let entry = entry.map_err(|error| Error::io(root, error.into()))?;
        if entry.file_type().is_dir() {
            sync(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_dropped_stage_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        for directory in [false, true] {
            let stage = Stage::new(&root.path().join("out"), directory, false).unwrap();
            stage.create(Path::new("a/b.csv")).unwrap().0.write_all(b"x").unwrap();
            assert_eq!(names(root.path()).len(), 1);
            drop(stage);
            assert!(names(root.path()).is_empty());
        }
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_replaced() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("out.csv");
        let stage = Stage::new(&target, false, false).unwrap();
        stage.create(Path::new("")).unwrap().0.write_all(b"new").unwrap();
        fs::write(&target, "theirs").unwrap();
        assert_eq!(stage.commit().unwrap_err().kind(), Kind::AlreadyExists);
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert_eq!(names(root.path()), ["out.csv"]);
    }

    #[test]
    fn overwrite_replaces_whole_directories() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("out");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("old.csv"), "old").unwrap();
        assert_eq!(Stage::new(&target, true, false).err().unwrap().code(), "OUTPUT_EXISTS");
        assert_eq!(Stage::new(&target, false, true).err().unwrap().code(), "BAD_OUTPUT");
        let stage = Stage::new(&target, true, true).unwrap();
        stage.create(Path::new("new.csv")).unwrap().0.write_all(b"new").unwrap();
        stage.commit().unwrap();
        assert_eq!(names(&target), ["new.csv"]);
        assert_eq!(names(root.path()), ["out"]);
    }
}
