//! Inputs and outputs in object stores and on web servers: inputs are copied to a directory of this machine before they are read, outputs
//! are stored when they are complete.
//!
//! All columns of an input reach its output, so reading files by ranges would save nothing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    job::{Job, Output},
    write::{stage, target},
};
use crate::{
    error::{Error, Kind, Result},
    http,
    score::CancelFlag,
    store::{self, Entry, Location, Place, is_remote},
};

/// What of a job is not on this machine.
pub(super) struct Remote {
    scratch: stage::Scratch,
    output: Option<Destination>,
}

/// Where the output goes in the end.
struct Destination {
    place: Arc<dyn Place>,
    /// The name of the one file; `None` for a directory.
    file: Option<String>,
    staged: PathBuf,
    overwrite: bool,
}

/// Refuses to replace a place that holds an input, or a whole bucket.
fn refuse_inputs(output: &str, job: &Job) -> Result<()> {
    let below = |uri: &str| format!("{}/", uri.trim_end_matches('/'));
    let whole = below(output);
    if let Some(input) = job.input.iter().find(|input| below(input).starts_with(&whole)) {
        return Err(target::holds_input(&http::redacted(output), &http::redacted(input)));
    }
    let bucket = whole.split_once("://").is_some_and(|(_, path)| path.trim_end_matches('/').split('/').count() < 2);
    if bucket && job.overwrite {
        let message = format!("'{}' is a whole bucket, all of whose objects --overwrite would remove", http::redacted(output));
        return Err(Error::new(Kind::InvalidArgument, "OUTPUT_IS_BUCKET", message).remedy("name a path in it"));
    }
    Ok(())
}

impl Remote {
    /// Copies what the job reads to this machine, and returns the job as it is here. `None` where everything is here already.
    pub(super) fn of(job: &Job, cancel: &CancelFlag) -> Result<Option<(Self, Job)>> {
        let output = match &job.output {
            Output::Path(path) => path.to_str().filter(|path| is_remote(path)),
            Output::Stdout => None,
        };
        if output.is_none() && !job.input.iter().any(|input| is_remote(input)) {
            return Ok(None);
        }
        let scratch = stage::Scratch::new()?;
        let mut here = job.clone();
        let mut destination = None;
        // The output is looked at first: a run that may not write it need not read.
        if let Some(uri) = output {
            let found = http::block_on(destination_of(uri, job.overwrite, scratch.path()))??;
            if found.file.is_none() {
                refuse_inputs(uri, job)?;
            }
            here.output = Output::Path(found.staged.clone());
            destination = Some(found);
        }
        for input in here.input.iter_mut().filter(|input| is_remote(input)) {
            *input = http::block_on(interruptible(copy(input, scratch.path()), cancel))??;
        }
        Ok(Some((Self { scratch, output: destination }, here)))
    }

    /// Stores the output, all of it or nothing.
    pub(super) fn commit(&self, cancel: &CancelFlag) -> Result<()> {
        let Some(Destination { place, file, staged, overwrite }) = &self.output else { return Ok(()) };
        let files = match file {
            Some(name) => vec![(name.clone(), staged.clone())],
            None => walkdir::WalkDir::new(staged)
                .sort_by_file_name()
                .into_iter()
                .filter_map(|entry| entry.ok().filter(|entry| entry.file_type().is_file()))
                .filter_map(|entry| {
                    let name = entry.path().strip_prefix(staged).ok()?.to_str()?.to_owned();
                    Some((name, entry.into_path()))
                })
                .collect(),
        };
        let cancel = cancel.clone();
        let stop = move || cancel.is_cancelled();
        http::block_on(place.publish(&files, file.is_none() && *overwrite, &stop))?
    }

    /// An error as it is about the places that the user named.
    pub(super) fn translate(&self, error: Error) -> Error {
        let here = format!("{}/", self.scratch.path().display());
        error.replace(&format!("{here}output/"), "").replace(&here, "").replace(":/+/", "://")
    }
}

/// The place of a URI and what it is called in the scratch directory: `s3:/+/bucket/path` below it stands for `s3://bucket/path`.
fn mirrored(uri: &str, scratch: &Path) -> PathBuf {
    let (scheme, rest) = uri.split_once("://").or_else(|| uri.split_once(':')).unwrap_or((uri, ""));
    let rest = rest.split('?').next().unwrap_or_default();
    // Of a host with a user and a password the host alone shows.
    let rest = if scheme.starts_with("http") { rest.rsplit_once('@').map_or(rest, |(_, rest)| rest) } else { rest };
    scratch.join(format!("{scheme}:")).join("+").join(rest.trim_matches('/'))
}

async fn place(uri: &str) -> Result<Arc<dyn Place>> {
    match store::open(uri).await? {
        Location::Place(place) => Ok(place),
        Location::Directory(_) => {
            let message = format!("'{}' is a directory of this machine under another name", http::redacted(uri));
            Err(Error::new(Kind::Unimplemented, "NOT_A_STORE", message).remedy("name the directory itself"))
        }
    }
}

/// Copies the files that an input names; the input as it is here.
async fn copy(uri: &str, scratch: &Path) -> Result<String> {
    let uri = uri.trim_end_matches('/');
    let none = || {
        Error::new(Kind::NotFound, "NO_INPUT", format!("no file matches '{}'", http::redacted(uri)))
            .remedy("hidden files (names that start with '_' or '.') are not read")
    };
    let root = uri.find("://").map_or(0, |at| at + 3);
    let wild = uri[root..].find(['*', '?', '[']).map(|at| root + at);
    let (base, entries) = match wild.and_then(|at| uri[..at].rfind('/')).filter(|at| *at >= root) {
        Some(at) => {
            let base = place(&uri[..at]).await?;
            let listed = base.list().await?;
            ((base, &uri[..at]), super::read::files::matching(listed, &uri[at + 1..])?)
        }
        None if wild.is_some() => return Err(none().remedy("a bucket cannot be named by a pattern")),
        None => {
            let whole = place(uri).await?;
            let listed = match whole.list().await {
                Err(error) if error.code() == "NO_SUCH_OBJECT" => Vec::new(),
                listed => listed?,
            };
            match uri.rfind('/').filter(|at| listed.is_empty() && *at > root) {
                None => ((whole, uri), listed),
                Some(at) => {
                    let parent = place(&uri[..at]).await?;
                    let file = parent.find(&uri[at + 1..]).await?;
                    ((parent, &uri[..at]), file.into_iter().collect())
                }
            }
        }
    };
    let entries: Vec<Entry> = entries;
    if entries.is_empty() {
        return Err(none());
    }
    let (place, base) = base;
    store::copy(&place, &entries, &mirrored(base, scratch)).await?;
    let here = mirrored(base, scratch);
    Ok(format!("{}{}", here.display(), &uri[base.len()..]))
}

async fn destination_of(uri: &str, overwrite: bool, scratch: &Path) -> Result<Destination> {
    let trimmed = uri.trim_end_matches('/');
    let staged = mirrored(trimmed, &scratch.join("output"));
    let exists = || {
        Error::new(Kind::AlreadyExists, "OUTPUT_EXISTS", format!("'{}' exists", http::redacted(uri)))
            .remedy("name another output, or give --overwrite")
    };
    if super::Format::of(Path::new(trimmed)).is_some() {
        let at = trimmed.rfind('/').unwrap_or_default();
        let (place, name) = (place(&trimmed[..at]).await?, trimmed[at + 1..].to_owned());
        if !overwrite && place.find(&name).await?.is_some() {
            return Err(exists());
        }
        return Ok(Destination { place, file: Some(name), staged, overwrite });
    }
    let place = place(trimmed).await?;
    if !overwrite && !place.list().await?.is_empty() {
        return Err(exists());
    }
    Ok(Destination { place, file: None, staged, overwrite })
}

/// A future that ends when the run is cancelled.
async fn interruptible<T>(work: impl Future<Output = Result<T>>, cancel: &CancelFlag) -> Result<T> {
    let watch = async {
        while !cancel.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = watch => Err(Error::new(Kind::Cancelled, "CANCELLED", "the run was cancelled; nothing was written")),
    }
}
