//! What has arrived of a download, written down so that the next attempt continues. It is believed until the machine restarts: what was
//! only in memory then may be lost.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write as _,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::disk;
use crate::{
    error::Result,
    store::{cache::boot, place::Entry},
};

/// Bytes of a part after which it is written down how far it is.
const STEP: u64 = 4 << 20;

/// The record of one download, in a directory of its own.
pub(in crate::store) struct State {
    directory: PathBuf,
    finished: HashMap<String, Line>,
    log: Mutex<File>,
}

/// A file that is all there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    name: String,
    size: u64,
    version: String,
}

impl Line {
    /// `None` for a file that a later attempt could not recognise.
    fn of(entry: &Entry) -> Option<Self> {
        Some(Self { name: entry.name.clone(), size: entry.size, version: entry.version.clone()? })
    }
}

impl State {
    /// The record in a directory. One of before a restart is thrown away, with `tree`, the files that it is about.
    pub(in crate::store) fn open(directory: &Path, tree: &Path) -> Result<Self> {
        let mark = directory.join("boot");
        if fs::read_to_string(&mark).ok().as_deref() != Some(boot()) {
            let _ = fs::remove_dir_all(directory);
            let _ = fs::remove_dir_all(tree);
        }
        fs::create_dir_all(directory).map_err(|error| disk(directory, error))?;
        fs::write(&mark, boot()).map_err(|error| disk(&mark, error))?;
        let path = directory.join("finished");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let finished = lines.map(|line| (line.name.clone(), line)).collect();
        let log = File::options().create(true).append(true).open(&path).map_err(|error| disk(&path, error))?;
        Ok(Self { directory: directory.to_owned(), finished, log: Mutex::new(log) })
    }

    /// Whether a file arrived whole before.
    pub(super) fn finished(&self, entry: &Entry) -> bool {
        Line::of(entry).is_some_and(|line| self.finished.get(&line.name) == Some(&line))
    }

    /// Writes down that a file is all there.
    pub(super) fn finish(&self, entry: &Entry) -> Result<()> {
        let Some(line) = Line::of(entry) else { return Ok(()) };
        let text = serde_json::to_string(&line).unwrap_or_default();
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(log, "{text}").map_err(|error| disk(&self.directory, error))
    }

    /// The parts of a large file, as far as they have arrived. `None` for one that is not worth it.
    pub(super) fn parts(&self, entry: &Entry, part: u64) -> Option<Parts> {
        let line = Line::of(entry).filter(|_| entry.size > STEP)?;
        let name = super::digest::hex(&<sha2::Sha256 as sha2::Digest>::digest(entry.name.as_bytes()));
        Some(Parts::kept(entry.size, part, self.directory.join(name), line))
    }
}

/// How far the parts of one file are.
pub(super) struct Parts {
    size: u64,
    part: u64,
    arrived: Mutex<Vec<u64>>,
    kept: Option<(PathBuf, Line)>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    file: Line,
    part: u64,
    arrived: Vec<u64>,
}

impl Parts {
    /// Parts of which nothing is written down.
    pub(super) fn unkept(size: u64, part: u64) -> Self {
        let count = size.div_ceil(part).max(1) as usize;
        Self { size, part, arrived: Mutex::new(vec![0; count]), kept: None }
    }

    fn kept(size: u64, part: u64, path: PathBuf, line: Line) -> Self {
        let fresh = Self::unkept(size, part);
        let before = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let count = fresh.count();
        let fits = |kept: &Kept| kept.file == line && kept.part == part && kept.arrived.len() == count;
        let arrived = before.filter(fits).map_or_else(|| vec![0; count], |kept| kept.arrived);
        let whole = (0..count).all(|at| arrived[at] <= fresh.length(at));
        let arrived = if whole { arrived } else { vec![0; count] };
        Self { size, part, arrived: Mutex::new(arrived), kept: Some((path, line)) }
    }

    pub(super) fn count(&self) -> usize {
        self.size.div_ceil(self.part).max(1) as usize
    }

    /// Where a part lies in the file.
    pub(super) fn span(&self, at: usize) -> Range<u64> {
        let start = at as u64 * self.part;
        start..(start + self.part).min(self.size)
    }

    fn length(&self, at: usize) -> u64 {
        let span = self.span(at);
        span.end - span.start
    }

    /// Bytes of a part that have arrived.
    pub(super) fn bytes(&self, at: usize) -> u64 {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)[at]
    }

    pub(super) fn complete(&self, at: usize) -> bool {
        self.bytes(at) == self.length(at)
    }

    /// Bytes of the file that have arrived.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).iter().sum()
    }

    /// A part has arrived up to here; what is more than it has belongs to those after it.
    pub(super) fn arrive(&self, first: usize, bytes: u64) -> Result<()> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let before = arrived[first];
        let mut left = bytes;
        for at in first..arrived.len() {
            let length = self.length(at);
            arrived[at] = arrived[at].max(left.min(length));
            left = left.saturating_sub(length);
            if left == 0 {
                break;
            }
        }
        if bytes / STEP > before / STEP
            && let Some((path, line)) = &self.kept
        {
            let kept = Kept { file: line.clone(), part: self.part, arrived: arrived.clone() };
            let text = serde_json::to_vec(&kept).unwrap_or_default();
            fs::write(path, text).map_err(|error| disk(path, error))?;
        }
        Ok(())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let Some((path, line)) = self.kept.take() else { return };
        let arrived = std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
        if arrived.iter().any(|bytes| *bytes > 0) {
            let kept = Kept { file: line, part: self.part, arrived };
            // What cannot be written down is asked for again.
            let _ = fs::write(path, serde_json::to_vec(&kept).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_continue_where_they_were_for_the_same_file_alone() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        let open = || State::open(&root.path().join("state"), &tree).unwrap();
        let entry = |version: &str| Entry { name: "a".into(), size: 25 << 20, version: Some(version.into()) };
        let parts = open().parts(&entry("1"), 10 << 20).unwrap();
        assert_eq!((parts.count(), parts.span(2)), (3, 20 << 20..25 << 20));
        parts.arrive(0, 3).unwrap();
        // A place without ranges gives everything from the first part on.
        parts.arrive(1, (10 << 20) + 7).unwrap();
        drop(parts);
        let parts = open().parts(&entry("1"), 10 << 20).unwrap();
        assert_eq!((parts.bytes(0), parts.bytes(1), parts.bytes(2)), (3, 10 << 20, 7));
        assert!(parts.complete(1) && !parts.complete(2));
        assert_eq!(open().parts(&entry("2"), 10 << 20).unwrap().arrived(), 0);
        assert!(open().parts(&Entry { version: None, ..entry("") }, 10 << 20).is_none());
    }

    #[test]
    fn what_was_written_before_a_restart_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let (directory, tree) = (root.path().join("state"), root.path().join("tree"));
        let entry = Entry { name: "a".into(), size: 1, version: Some("1".into()) };
        State::open(&directory, &tree).unwrap().finish(&entry).unwrap();
        assert!(State::open(&directory, &tree).unwrap().finished(&entry));
        fs::create_dir_all(&tree).unwrap();
        fs::write(directory.join("boot"), "another").unwrap();
        assert!(!State::open(&directory, &tree).unwrap().finished(&entry));
        assert!(!tree.exists());
    }
}
