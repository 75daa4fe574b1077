//! Files of a place on their way to this machine: several side by side, large ones in parts side by side, broken ones continued.

mod part;
mod state;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sha2::{Digest as _, Sha256};
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
};

pub(super) use self::state::State;
use self::{part::Span, state::Parts};
use super::{
    digest,
    place::{Entry, Place},
    progress::Bar,
    walk::Stamp,
};
use crate::error::{Error, Kind, Result};

/// Streams that are read side by side.
const STREAMS: usize = 8;

/// Files that are looked after side by side; those above the number of streams wait for one.
const FILES: usize = 4 * STREAMS;

/// Larger files are read in parts of this size, side by side.
const PART: u64 = 32 << 20;

/// What the tasks of one download share.
struct Download {
    place: Arc<dyn Place>,
    tree: PathBuf,
    state: Option<State>,
    streams: Arc<Semaphore>,
    bar: Bar,
    fetched: AtomicU64,
}

/// What a download did.
pub(super) struct Fetched {
    /// The hash of each file, in the order of the listing.
    pub(super) hashes: Vec<[u8; 32]>,
    /// Bytes that came over the network.
    pub(super) bytes: u64,
}

/// Finds a file of this machine that has the content of a listed one, with the hash that it must have.
pub(super) type Reuse<'a> = &'a (dyn Fn(&Entry) -> Option<(PathBuf, [u8; 32])> + Sync);

/// Brings the files of a listing, which has been checked, into a directory. What `reuse` finds of a file is copied instead. With a `state`
/// whatever arrives outlives a failure, and is not asked for again.
pub(super) async fn bring(
    place: &Arc<dyn Place>,
    entries: &[Entry],
    tree: &Path,
    state: Option<State>,
    reuse: Reuse<'_>,
) -> Result<Fetched> {
    fs::create_dir_all(tree).map_err(|error| disk(tree, error))?;
    let total = entries.iter().map(|entry| entry.size).sum();
    let download = Arc::new(Download {
        place: place.clone(),
        tree: tree.to_owned(),
        state,
        streams: Arc::new(Semaphore::new(STREAMS)),
        bar: Bar::new(total, place.origin()),
        fetched: AtomicU64::new(0),
    });
    let mut hashes = vec![[0; 32]; entries.len()];
    // Dropped on the first failure, which ends the other tasks.
    let mut tasks = JoinSet::new();
    for (at, entry) in entries.iter().enumerate() {
        if tasks.len() == FILES
            && let Some(done) = tasks.join_next().await
        {
            let (at, hash) = done.map_err(ended)??;
            hashes[at] = hash;
        }
        let (download, entry, known) = (download.clone(), entry.clone(), reuse(entry));
        tasks.spawn(async move { download.file(entry, known).await.map(|hash| (at, hash)) });
    }
    while let Some(done) = tasks.join_next().await {
        let (at, hash) = done.map_err(ended)??;
        hashes[at] = hash;
    }
    Ok(Fetched { hashes, bytes: download.fetched.load(Ordering::Relaxed) })
}

impl Download {
    /// Brings one file; its hash.
    async fn file(self: Arc<Self>, entry: Entry, known: Option<(PathBuf, [u8; 32])>) -> Result<[u8; 32]> {
        let path = self.tree.join(&entry.name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| disk(parent, error))?;
        }
        // A copy that is not as it should be is written over.
        if let Some((known, hash)) = known
            && fs::copy(&known, &path).is_ok_and(|bytes| bytes == entry.size)
            && hash_of(path.clone()).await.is_ok_and(|found| found == hash)
        {
            self.bar.advance(entry.size);
            return Ok(hash);
        }
        let finished = self.state.as_ref().is_some_and(|state| state.finished(&entry));
        if finished && fs::metadata(&path).is_ok_and(|metadata| metadata.len() == entry.size) {
            self.bar.advance(entry.size);
            return hash_of(path).await;
        }
        let parts = self.state.as_ref().and_then(|state| state.parts(&entry, PART));
        let kept = parts.as_ref().is_some_and(|parts| parts.arrived() > 0);
        let mut options = File::options();
        options.write(true).create(true).truncate(!kept);
        let file = Arc::new(options.open(&path).map_err(|error| disk(&path, error))?);
        let parts = Arc::new(parts.unwrap_or_else(|| Parts::unkept(entry.size, PART)));
        self.bar.advance(parts.arrived());
        let hash = if parts.count() <= 1 && parts.arrived() == 0 {
            Some(self.whole(&entry, &path, &file, &parts).await?)
        } else {
            self.clone().in_parts(&entry, &path, &file, &parts).await?;
            None
        };
        let hash = match hash {
            Some(hash) => hash,
            None => hash_of(path).await?,
        };
        if let Some(state) = &self.state {
            state.finish(&entry)?;
        }
        Ok(hash)
    }

    /// Reads a small file in one go, hashing what arrives.
    async fn whole(&self, entry: &Entry, path: &Path, file: &Arc<File>, parts: &Arc<Parts>) -> Result<[u8; 32]> {
        let _stream = self.streams.acquire().await.map_err(|_| closed())?;
        let mut hasher = Sha256::new();
        let span = Span { entry, path, file, parts, at: 0 };
        span.fetch(self, &mut |bytes| hasher.update(bytes)).await?;
        Ok(hasher.finalize().into())
    }

    /// Reads a file in parts. The first tells whether the place gives parts at all: one that does not gives everything.
    async fn in_parts(self: Arc<Self>, entry: &Entry, path: &Path, file: &Arc<File>, parts: &Arc<Parts>) -> Result<()> {
        {
            let _stream = self.streams.acquire().await.map_err(|_| closed())?;
            Span { entry, path, file, parts, at: 0 }.fetch(&self, &mut |_| {}).await?;
        }
        let mut tasks = JoinSet::new();
        for at in (1..parts.count()).filter(|at| !parts.complete(*at)) {
            let (this, entry, path) = (self.clone(), entry.clone(), path.to_owned());
            let (file, parts) = (file.clone(), parts.clone());
            tasks.spawn(async move {
                let _stream = this.streams.acquire().await.map_err(|_| closed())?;
                Span { entry: &entry, path: &path, file: &file, parts: &parts, at }.fetch(&this, &mut |_| {}).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(ended)??;
        }
        Ok(())
    }

    fn arrived(&self, bytes: u64) {
        self.bar.advance(bytes);
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The hash of a file that is all there.
async fn hash_of(path: PathBuf) -> Result<[u8; 32]> {
    let hashed = tokio::task::spawn_blocking(move || {
        let metadata = fs::symlink_metadata(&path).map_err(|error| disk(&path, error))?;
        digest::content(&path, Stamp::of(&metadata))
    });
    hashed.await.map_err(ended)?
}

/// The error for a task that panicked.
fn ended(error: JoinError) -> Error {
    Error::new(Kind::Internal, "PANIC", "a download ended unexpectedly").source(error)
}

fn closed() -> Error {
    Error::new(Kind::Cancelled, "CANCELLED", "the download was given up")
}

/// A failure to write a file; a full disk is named.
pub(super) fn disk(path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    if !matches!(error.kind(), StorageFull | QuotaExceeded) {
        return Error::io(path, error);
    }
    let message = format!("the disk of '{}' is full", path.display());
    Error::new(Kind::ResourceExhausted, "DISK_FULL", message)
        .remedy("make room, or name another disk by MLFLIGHT_CACHE_DIR")
        .source(error)
}

/// Refuses a download that the disk of a directory has no room for, before it begins.
pub(super) fn require_room(needed: u64, directory: &Path) -> Result<()> {
    let Ok(disk) = rustix::fs::statvfs(directory) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed <= free {
        return Ok(());
    }
    let message = format!("{needed} bytes are to be downloaded, and the disk of '{}' has {free} left", directory.display());
    Err(Error::new(Kind::ResourceExhausted, "DISK_FULL", message).remedy("make room, or name another disk by MLFLIGHT_CACHE_DIR"))
}
