//! Models of other places on this machine: in the cache, or in a directory that the caller names.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    archive,
    cache::{self, Cache, Held},
    digest::digest,
    download,
    lease::Lease,
    place::{Entry, Place},
    progress,
    remote::{Location, open},
    resolve::Resolved,
    walk,
};
use crate::{
    error::{Error, Kind, Result},
    http,
};

/// Finds the model that a URI names, in the cache once it is there.
pub(super) async fn resolve(uri: &str) -> Result<Resolved> {
    // What is in an archive is seen when it is here.
    let listed = |place: &dyn Place, entries: &[Entry]| {
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        if place.archive() { Ok(()) } else { require_mlmodel(uri, &names) }
    };
    model(uri, cached(uri, &listed).await?)
}

/// What was found, if it is a model.
pub(super) fn model(uri: &str, found: Resolved) -> Result<Resolved> {
    if !found.directory.join(MLMODEL).is_file() {
        let files = walk::files(&found.directory)?;
        require_mlmodel(uri, &files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>())?;
    }
    Ok(found)
}

/// The file that makes a directory a model.
pub(super) const MLMODEL: &str = "MLmodel";

/// Refuses files that are no model, and says what they are.
pub(super) fn require_mlmodel(uri: &str, names: &[&str]) -> Result<()> {
    if names.contains(&MLMODEL) {
        return Ok(());
    }
    let more = names.len().saturating_sub(10);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let there = names.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    let message = format!("'{}': there is no MLmodel, only {there}{more}", http::redacted(uri));
    let beside = names.iter().find_map(|name| name.strip_suffix("/MLmodel"));
    let remedy = beside.map_or_else(
        || "name the directory that MLflow saved the model to".to_owned(),
        |directory| format!("name the model's own directory, such as .../{directory}"),
    );
    Err(Error::new(Kind::NotFound, "NO_MLMODEL", message).remedy(remedy))
}

/// What a URI names, in the cache once it is there, whether it is a model or not; `check` looks at what is to be downloaded.
async fn cached(uri: &str, check: cache::Check<'_>) -> Result<Resolved> {
    if super::file::scheme_of(uri).is_none_or(|scheme| scheme.eq_ignore_ascii_case("file")) {
        return super::file::directory(&super::file::path(uri)?, uri);
    }
    let cache = Cache::of_user()?;
    if cache::offline()? {
        let (origin, held) = cache.recall(uri).await?;
        return Ok(Resolved { directory: held.directory, origin, lease: Some(held.lease) });
    }
    match open(uri).await? {
        Location::Directory(found) => Ok(found),
        Location::Place(place) => {
            let held = cache.bring(&place, check).await?;
            Ok(resolved(uri, &cache, &*place, held))
        }
    }
}

/// What the cache has of a place, which is from now on what the URI stands for without a network.
pub(super) fn resolved(uri: &str, cache: &Cache, place: &dyn Place, held: Held) -> Resolved {
    cache.remember(uri, place.origin(), &held);
    Resolved { directory: held.directory, origin: place.origin().to_owned(), lease: Some(held.lease) }
}

/// Brings what a URI names to this machine, whether it is a model or not: into `destination`, which must not be there or be empty, or else
/// into the cache, where it stays as long as this process runs. Returns the directory.
pub fn fetch(uri: &str, destination: Option<&Path>) -> Result<PathBuf> {
    static LEASES: Mutex<Vec<Lease>> = Mutex::new(Vec::new());
    let Some(destination) = destination else {
        let found = http::block_on(interruptible(cached(uri, &|_, _| Ok(()))))??;
        LEASES.lock().unwrap_or_else(PoisonError::into_inner).extend(found.lease);
        return Ok(found.directory);
    };
    http::block_on(interruptible(into_directory(uri, destination)))?
}

/// Ends work on a signal, where the process is a command line: what is half done is then removed.
async fn interruptible<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    use tokio::signal::unix::{SignalKind, signal};
    if !progress::shown() {
        return work.await;
    }
    let failed = |error: std::io::Error| Error::new(Kind::Internal, "SIGNALS", "signals cannot be waited for").source(error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let cancelled =
        || Err(Error::new(Kind::Cancelled, "CANCELLED", "the download was given up; another one continues in the cache"));
    tokio::select! {
        done = work => done,
        _ = interrupt.recv() => cancelled(),
        _ = terminate.recv() => cancelled(),
    }
}

async fn into_directory(uri: &str, destination: &Path) -> Result<PathBuf> {
    let full = std::path::absolute(destination).map_err(|error| Error::io(destination, error))?;
    let taken = || {
        let message = format!("'{}' is there already, and not empty", destination.display());
        Error::new(Kind::AlreadyExists, "DESTINATION_EXISTS", message).remedy("name a new directory")
    };
    match fs::read_dir(&full) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(taken());
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(_) => return Err(taken()),
    }
    let parent = full.parent().ok_or_else(taken)?;
    fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
    let staged = tempfile::Builder::new().prefix(".mlflight-").tempdir_in(parent).map_err(|error| Error::io(parent, error))?;
    let tree = staged.path().join("tree");
    let location = if cache::offline()? { Location::Directory(cached(uri, &|_, _| Ok(())).await?) } else { open(uri).await? };
    let tree = match location {
        Location::Directory(found) => {
            for file in walk::files(&found.directory)? {
                let (from, to) = (found.directory.join(&file.name), tree.join(&file.name));
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent).map_err(|error| download::disk(parent, error))?;
                }
                fs::copy(&from, &to).map_err(|error| download::disk(&to, error))?;
            }
            tree
        }
        Location::Place(place) => download(&place, &tree, &staged.path().join("unpacked")).await?,
    };
    let _ = fs::set_permissions(&tree, fs::Permissions::from_mode(0o755));
    // An empty directory makes way.
    fs::rename(&tree, &full).map_err(|error| match error.kind() {
        std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists => taken(),
        _ => Error::io(&full, error),
    })?;
    Ok(full)
}

/// Copies files that a place listed into a directory.
pub async fn copy(place: &Arc<dyn Place>, entries: &[Entry], directory: &Path) -> Result<()> {
    super::listing::check(entries, place.origin())?;
    fs::create_dir_all(directory).map_err(|error| download::disk(directory, error))?;
    download::require_room(entries.iter().map(|entry| entry.size).sum(), directory)?;
    download::bring(place, entries, directory, None, &|_| None).await.map(|_| ())
}

/// Downloads a place; where its files are.
async fn download(place: &Arc<dyn Place>, tree: &Path, unpacked: &Path) -> Result<PathBuf> {
    let entries = cache::entries(place).await?;
    fs::create_dir_all(tree).map_err(|error| download::disk(tree, error))?;
    download::require_room(entries.iter().map(|entry| entry.size).sum(), tree)?;
    download::bring(place, &entries, tree, None, &|_| None).await?;
    if !place.archive() {
        return Ok(tree.to_owned());
    }
    let name = &entries[0].name;
    let inner = archive::unpack(&tree.join(name), name, unpacked).map_err(|error| error.context(place.origin()))?;
    cache::check_name(name, &digest(&inner)?, place.origin())?;
    Ok(inner)
}
