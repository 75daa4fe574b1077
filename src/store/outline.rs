//! A model of another place as far as it is needed to tell what it is: most of its files are left where they are.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{
    cache::{self, Cache, Kept},
    download,
    fetch::{self, MLMODEL, require_mlmodel},
    place::Entry,
    remote::{Location, is_remote, open},
    resolve::{self, Resolved},
};
use crate::{
    error::{Error, Result},
    http,
};

/// A model that was found, with all of its files or some of them.
#[derive(Debug)]
pub enum Outline {
    /// All of them: it lies on this machine.
    Whole(Resolved),
    /// Those that were asked for.
    Part(Part),
}

/// A model of which some files were downloaded. The others are there with their size and without their content.
#[derive(Debug)]
pub struct Part {
    /// A directory of this process's own, which is removed with this.
    pub directory: tempfile::TempDir,
    /// The place it came from, without secrets.
    pub origin: String,
    /// Bytes of all files.
    pub size: u64,
    /// How many files there are.
    pub files: usize,
}

/// Finds the model of a URI. Of one that lies elsewhere, and not in the cache, `MLmodel` is downloaded, and then the paths that `wanted` tells
/// from the directory it lies in: files, or directories with all that is in them.
pub fn outline(uri: &str, wanted: &(dyn Fn(&Path) -> Result<Vec<PathBuf>> + Sync)) -> Result<Outline> {
    if !is_remote(uri) || cache::offline()? {
        return resolve::resolve(uri).map(Outline::Whole);
    }
    http::block_on(async {
        let place = match open(uri).await? {
            Location::Directory(found) => return fetch::model(uri, found).map(Outline::Whole),
            // What is in an archive is seen when it is here.
            Location::Place(place) if place.archive() => return fetch::resolve(uri).await.map(Outline::Whole),
            Location::Place(place) => place,
        };
        let cache = Cache::of_user()?;
        let entries = match cache.kept(&place).await? {
            Kept::Held(held) => return fetch::model(uri, fetch::resolved(uri, &cache, &*place, held)).map(Outline::Whole),
            Kept::Listed(entries) => entries,
        };
        require_mlmodel(uri, &entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>())?;
        let failed = |error| Error::io(&std::env::temp_dir(), error);
        let directory = tempfile::Builder::new().prefix("mlflight-outline-").tempdir().map_err(failed)?;
        let (first, rest): (Vec<Entry>, Vec<Entry>) = entries.iter().cloned().partition(|entry| entry.name == MLMODEL);
        download::bring(&place, &first, directory.path(), None, &|_| None).await?;
        let wanted: HashSet<PathBuf> = wanted(directory.path())?.into_iter().collect();
        let needed = |entry: &Entry| Path::new(&entry.name).ancestors().any(|path| wanted.contains(path));
        let (needed, others): (Vec<Entry>, Vec<Entry>) = rest.into_iter().partition(needed);
        download::bring(&place, &needed, directory.path(), None, &|_| None).await?;
        for entry in others {
            let path = directory.path().join(&entry.name);
            let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&path)?.set_len(entry.size));
            made.map_err(|error| Error::io(&path, error))?;
        }
        let (size, files) = (entries.iter().map(|entry| entry.size).sum(), entries.len());
        Ok(Outline::Part(Part { directory, origin: place.origin().to_owned(), size, files }))
    })?
}
