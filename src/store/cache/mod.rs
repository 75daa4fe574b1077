//! Models of other places, kept on this machine: each once, by its digest, for all of the user's processes.
//!
//! ```text
//! models/<digest>/       the files of a model, complete and never changed
//! models/<digest>.json   their sizes, hashes and stamps, by which a look tells whether they are still the same
//! models/<digest>.lock   shared by those who use the model; its time tells when it was last used
//! places/<id>.json       what a place listed when it was last asked, and the digest of the model it had
//! places/<id>.lock       held by the one process that downloads from the place
//! names/<id>.json        the digest that a URI last stood for: what is used without a network
//! parts/<id>/            what has arrived of a download
//! ```
//!
//! Nothing is flushed to the disk by force. A model's manifest says since when the machine runs that has read all of its files: after a
//! restart, which may have lost some of them, they are hashed anew before the model is used.

mod evict;
mod lock;
mod manifest;
mod names;
mod record;

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use sha2::{Digest as _, Sha256};

use self::{lock::Locks, manifest::Manifest, record::Record};
use super::{
    archive,
    digest::{self, Digest},
    download::{self, State},
    lease::Lease,
    listing,
    place::{Entry, Place},
};
use crate::{
    config,
    error::{Error, Kind, Result},
};

/// The cache is kept below this many bytes, unless more is in use at once.
const DEFAULT_MAX_BYTES: u64 = 50 << 30;

/// What tells one run of this machine from the next.
pub(super) fn boot() -> &'static str {
    static BOOT: LazyLock<String> = LazyLock::new(|| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        // Without it, every process takes it that the machine has restarted.
        if id.trim().is_empty() { format!("process {}", std::process::id()) } else { id.trim().to_owned() }
    });
    &BOOT
}

/// Whether no place may be asked.
pub(super) fn offline() -> Result<bool> {
    match std::env::var("MLFLIGHT_OFFLINE").unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "0" | "false" => Ok(false),
        "1" | "true" => Ok(true),
        other => {
            let message = format!("MLFLIGHT_OFFLINE: '{other}' is no truth value");
            Err(Error::new(Kind::InvalidArgument, "BAD_VALUE", message).expected("1, true, 0 or false"))
        }
    }
}

/// The cache of this user.
pub(super) struct Cache {
    root: PathBuf,
    max_bytes: u64,
    locks: Locks,
}

/// A model of the cache, which stays there while this lives.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) directory: PathBuf,
    pub(super) lease: Lease,
}

/// Looks at what a place lists before it is downloaded.
pub(super) type Check<'a> = &'a (dyn Fn(&dyn Place, &[Entry]) -> Result<()> + Sync);

/// What a cache has of a place.
pub(super) enum Kept {
    /// Its model.
    Held(Held),
    /// Not this; it is what the place lists now.
    Listed(Vec<Entry>),
}

impl Cache {
    /// The cache in `MLFLIGHT_CACHE_DIR`, else where the user's caches are.
    pub(super) fn of_user() -> Result<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = variable("MLFLIGHT_CACHE_DIR")
            .or_else(|| variable("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("mlflight/models")))
            .or_else(|| std::env::home_dir().map(|home| home.join(".cache/mlflight/models")))
            .ok_or_else(|| {
                Error::new(Kind::FailedPrecondition, "NO_CACHE", "there is no directory for downloaded models")
                    .remedy("set MLFLIGHT_CACHE_DIR")
            })?;
        let root = std::path::absolute(&root).map_err(|error| Error::io(&root, error))?;
        let max_bytes = match std::env::var("MLFLIGHT_CACHE_MAX_BYTES") {
            Ok(text) if !text.is_empty() => {
                config::parse_bytes(&text).map_err(|error| error.context("MLFLIGHT_CACHE_MAX_BYTES"))? as u64
            }
            _ => DEFAULT_MAX_BYTES,
        };
        Ok(Self::open(root, max_bytes))
    }

    /// The cache in a directory, which is made where it can be. One that cannot be written is only read.
    fn open(root: PathBuf, max_bytes: u64) -> Self {
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        let made = ["models", "places", "names", "parts"].iter().try_for_each(|name| private.create(root.join(name)));
        let probe = made.and_then(|()| tempfile::Builder::new().prefix(".probe-").tempfile_in(&root));
        Self { locks: Locks { read_only: probe.err() }, root, max_bytes }
    }

    /// The model that a place holds: from here where it has not changed, else downloaded. What the place lists is shown to `check` before
    /// anything is downloaded.
    pub(super) async fn bring(&self, place: &Arc<dyn Place>, check: Check<'_>) -> Result<Held> {
        let entries = match self.kept(place).await? {
            Kept::Held(held) => return Ok(held),
            Kept::Listed(entries) => entries,
        };
        check(&**place, &entries)?;
        let id = id(&place.key());
        self.locks
            .writable(&self.root)
            .map_err(|error| error.detail(format!("the model of '{}' is not in it, or has changed", place.origin())))?;
        let _lock = self.locks.exclusive(&self.root.join("places").join(format!("{id}.lock"))).await?;
        // Another process may have downloaded it meanwhile.
        let record = self.record(&id);
        if let Some(held) = self.unchanged(record.as_ref(), &entries).await? {
            return Ok(held);
        }
        let work = self.root.join("parts").join(&id);
        let held = self.download(place, &entries, record.as_ref(), &work).await;
        if held.as_ref().is_err_and(|error| matches!(error.code(), "DISK_FULL" | "DIGEST_MISMATCH")) {
            // What cannot be used must not take the room, nor be continued.
            let _ = fs::remove_dir_all(&work);
        }
        let held = held?;
        let digest = held.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        record::write(&self.root.join("places"), &id, &Record { origin: place.origin().to_owned(), entries, digest })?;
        let _ = fs::remove_dir_all(&work);
        self.evict().await;
        Ok(held)
    }

    /// The model that a place holds where it is here and has not changed, else what the place lists.
    pub(super) async fn kept(&self, place: &Arc<dyn Place>) -> Result<Kept> {
        let record = self.record(&id(&place.key()));
        if place.settled()
            && let Some(record) = &record
            && let Some(held) = self.hold(&record.digest).await?
        {
            return Ok(Kept::Held(held));
        }
        let entries = entries(place).await?;
        Ok(match self.unchanged(record.as_ref(), &entries).await? {
            Some(held) => Kept::Held(held),
            None => Kept::Listed(entries),
        })
    }

    /// Downloads a model into `work`, and from there into its place by its digest.
    async fn download(&self, place: &Arc<dyn Place>, entries: &[Entry], old: Option<&Record>, work: &Path) -> Result<Held> {
        let tree = work.join("tree");
        let origin = place.origin();
        tracing::info!(origin, files = entries.len(), "downloading a model");
        let state = State::open(&work.join("state"), &tree)?;
        remove_others(&tree, entries)?;
        let there: u64 = super::walk::files(work).map_or(0, |files| files.iter().map(|file| file.size).sum());
        let needed: u64 = entries.iter().map(|entry| entry.size).sum();
        download::require_room(needed.saturating_sub(there), &self.root)?;
        let before = old.filter(|_| !place.archive()).and_then(|record| {
            let directory = self.model(&record.digest)?;
            let hashes = Manifest::read(&directory)?.hashes();
            let same: HashSet<Entry> = record.entries.iter().filter(|entry| entry.version.is_some()).cloned().collect();
            Some((same, directory, hashes))
        });
        let reuse = |entry: &Entry| {
            let (_, directory, hashes) = before.as_ref().filter(|(same, ..)| same.contains(entry))?;
            Some((directory.join(&entry.name), *hashes.get(&entry.name)?))
        };
        let fetched = download::bring(place, entries, &tree, Some(state), &reuse).await?;
        tracing::info!(origin, bytes = fetched.bytes, "downloaded a model");
        if !place.archive() {
            return self.commit(&tree, Manifest::with_hashes(&tree, &fetched.hashes)?).await;
        }
        let name = &entries[0].name;
        let unpacked = work.join("unpacked");
        let _ = fs::remove_dir_all(&unpacked);
        let unpacked = archive::unpack(&tree.join(name), name, &unpacked).map_err(|error| error.context(origin));
        if unpacked.is_err() {
            // An archive that cannot be unpacked must not take the room, nor be continued.
            let _ = fs::remove_dir_all(work);
        }
        let inner = unpacked?;
        let manifest = Manifest::of(&inner)?;
        if let Some(found) = manifest.digest() {
            check_name(name, &found, origin)?;
        }
        self.commit(&inner, manifest).await
    }

    /// The model of a record, where its place still lists the same.
    async fn unchanged(&self, record: Option<&Record>, entries: &[Entry]) -> Result<Option<Held>> {
        match record.filter(|record| record.same(entries)) {
            Some(record) => self.hold(&record.digest).await,
            None => Ok(None),
        }
    }

    /// Keeps a model where it is, if it is there and whole.
    async fn hold(&self, digest: &str) -> Result<Option<Held>> {
        let Some(directory) = self.model(digest).filter(|path| path.is_dir()) else { return Ok(None) };
        let lease = self.locks.shared(&directory.with_extension("lock")).await?;
        if !directory.is_dir() || !Manifest::verify(&directory, digest, self.locks.read_only.is_none())? {
            return Ok(None);
        }
        lock::touch(&directory.with_extension("lock"));
        Ok(Some(Held { directory, lease }))
    }

    /// Moves a complete model to its place. The directory of a damaged one is moved away.
    async fn commit(&self, tree: &Path, manifest: Manifest) -> Result<Held> {
        let unreadable = || Error::new(Kind::Internal, "DIGEST", "a downloaded model has no digest");
        let digest = manifest.digest().ok_or_else(unreadable)?;
        let directory = self.root.join("models").join(digest.as_str());
        let _commit = self.locks.exclusive(&self.root.join("commit.lock")).await?;
        if let Some(held) = self.hold(digest.as_str()).await? {
            return Ok(held);
        }
        if directory.exists() {
            let away = tempfile::Builder::new().prefix(".damaged-").tempdir_in(self.root.join("parts"));
            let away = away.map_err(|error| Error::io(&self.root, error))?;
            fs::rename(&directory, away.path().join("model")).map_err(|error| Error::io(&directory, error))?;
        }
        let lease = self.locks.shared(&directory.with_extension("lock")).await?;
        manifest.write(&directory)?;
        fs::rename(tree, &directory).map_err(|error| Error::io(&directory, error))?;
        // The directory that was downloaded into was its owner's alone; the files are for reading.
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o755));
        // What was hashed a moment ago need not be hashed again where it is now.
        Manifest::verify(&directory, digest.as_str(), true)?;
        Ok(Held { directory, lease })
    }

    fn model(&self, digest: &str) -> Option<PathBuf> {
        Digest::parse(digest).ok().map(|digest| self.root.join("models").join(digest.as_str()))
    }

    fn record(&self, id: &str) -> Option<Record> {
        record::read(&self.root.join("places"), id)
    }
}

/// The name of the files about a place or a URI: neither shows in it.
fn id(key: &str) -> String {
    digest::hex(&Sha256::digest(key.as_bytes()))
}

/// What a place lists, checked and sorted.
pub(super) async fn entries(place: &Arc<dyn Place>) -> Result<Vec<Entry>> {
    let mut entries = place.list().await?;
    if entries.is_empty() {
        let message = format!("'{}': there is nothing there", place.origin());
        return Err(Error::new(Kind::NotFound, "MODEL_NOT_FOUND", message).remedy("check the URI"));
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    listing::check(&entries, place.origin())?;
    Ok(entries)
}

/// Refuses an archive whose name says another digest.
pub(super) fn check_name(name: &str, found: &Digest, origin: &str) -> Result<()> {
    match archive::digest_in_name(name) {
        Some(expected) if expected != found.as_str() => {
            let message = format!("'{origin}': the archive holds another model than its name says");
            Err(Error::new(Kind::InvalidModel, "DIGEST_MISMATCH", message).expected(expected).found(found))
        }
        _ => Ok(()),
    }
}

/// Removes what an earlier attempt left that the place does not list any more.
fn remove_others(tree: &Path, entries: &[Entry]) -> Result<()> {
    if !tree.is_dir() {
        return Ok(());
    }
    let listed: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    match super::walk::files(tree) {
        Ok(files) => {
            for file in files.iter().filter(|file| !listed.contains(file.name.as_str())) {
                let path = tree.join(&file.name);
                fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
            }
            Ok(())
        }
        Err(_) => fs::remove_dir_all(tree).map_err(|error| Error::io(tree, error)),
    }
}

#[cfg(test)]
mod tests;
