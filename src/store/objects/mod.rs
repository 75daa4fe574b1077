//! Object stores: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.

mod azure;
mod errors;
mod google;
mod patience;
mod profile;
mod s3;
mod upload;

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig, path::Path as Key,
};

use super::{
    archive,
    place::{Entry, Part, Place},
};
use crate::{
    error::{Error, Kind, Result},
    http,
};

pub(super) use self::{azure::open as azure, google::open as google, s3::open as s3, upload::Upload};

/// Files that are stored side by side.
const UPLOADS: usize = 8;

/// The objects below one prefix of a bucket.
#[derive(Debug)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    origin: String,
    key: String,
}

impl Objects {
    /// The objects of a store below the path of a URI. `endpoint` tells it from a store elsewhere that has a bucket of the same name.
    fn new(uri: &str, store: Arc<dyn ObjectStore>, path: &str, endpoint: Option<&str>) -> Result<Self> {
        let invalid = "the path is none of an object store";
        let prefix = Key::parse(path).map_err(|error| address(uri, invalid).source(error))?;
        let key = format!("{uri}\n{}", endpoint.unwrap_or_default());
        Ok(Self { store, prefix, origin: http::redacted(uri), key })
    }

    /// The key of a file. Its name is taken as it stands: the library would else escape some characters.
    fn at(&self, name: &str) -> Result<Key> {
        let key = format!("{}/{name}", self.prefix);
        Key::parse(key.trim_matches('/')).map_err(|error| address(&key, "not the key of an object").source(error))
    }

    fn failed(&self, name: &str, error: &object_store::Error) -> Error {
        errors::translate(&self.origin, name, error)
    }

    fn entry(&self, meta: &ObjectMeta) -> Option<Entry> {
        let parts: Vec<_> = meta.location.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned()).collect();
        Some(Entry { name: parts.join("/"), size: meta.size, version: version(meta) })
    }

    async fn get(&self, name: &str, version: Option<&str>, range: Option<Range<u64>>) -> Result<Part> {
        // An empty range cannot be asked for.
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(futures::stream::empty().boxed());
        }
        let options = GetOptions {
            if_match: version.filter(|version| version.starts_with('"')).map(str::to_owned),
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let got = self.store.get_opts(&self.at(name)?, options).await.map_err(|error| self.failed(name, &error))?;
        let (origin, name) = (self.origin.clone(), name.to_owned());
        Ok(got.into_stream().map_err(move |error| errors::translate(&origin, &name, &error)).boxed())
    }

    /// Begins to store a file of this machine, which appears when the upload is completed.
    pub(super) async fn begin(&self, name: &str, file: &Path) -> Result<Upload> {
        Upload::send(self.store.clone(), self.at(name)?, file, format!("{}/{name}", self.origin)).await
    }
}

/// What changes when an object does.
fn version(meta: &ObjectMeta) -> Option<String> {
    meta.e_tag.clone().or_else(|| meta.version.clone()).or_else(|| Some(meta.last_modified.to_rfc3339()))
}

#[async_trait]
impl Place for Objects {
    fn origin(&self) -> &str {
        &self.origin
    }

    fn key(&self) -> String {
        self.key.clone()
    }

    fn archive(&self) -> bool {
        archive::named(self.prefix.as_ref())
    }

    async fn list(&self) -> Result<Vec<Entry>> {
        let failed = |error: object_store::Error| self.failed("", &error);
        if self.archive() {
            let meta = self.store.head(&self.prefix).await.map_err(failed)?;
            let name = self.prefix.filename().unwrap_or_default().to_owned();
            return Ok(vec![Entry { name, size: meta.size, version: version(&meta) }]);
        }
        let mut listed = self.store.list(Some(&self.prefix));
        let mut entries = Vec::new();
        while let Some(meta) = listed.try_next().await.map_err(failed)? {
            entries.extend(self.entry(&meta).filter(|entry| !entry.name.is_empty()));
            if entries.len() > super::walk::MAX_FILES {
                break;
            }
        }
        // Consoles make an empty object that stands for a directory.
        let names: std::collections::HashSet<String> = entries.iter().map(|entry| format!("{}/", entry.name)).collect();
        let mut directories = std::collections::HashSet::new();
        for entry in &entries {
            let ends = entry.name.match_indices('/').map(|(at, _)| &entry.name[..=at]);
            directories.extend(ends.filter(|directory| names.contains(*directory)).map(str::to_owned));
        }
        entries.retain(|entry| entry.size > 0 || !directories.contains(&format!("{}/", entry.name)));
        Ok(entries)
    }

    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part> {
        self.get(if self.archive() { "" } else { name }, None, range).await
    }

    async fn read_entry(&self, entry: &Entry, range: Option<Range<u64>>) -> Result<Part> {
        self.get(if self.archive() { "" } else { &entry.name }, entry.version.as_deref(), range).await
    }

    async fn find(&self, name: &str) -> Result<Option<Entry>> {
        match self.store.head(&self.at(name)?).await {
            Ok(meta) => Ok(Some(Entry { name: name.to_owned(), size: meta.size, version: version(&meta) })),
            Err(error) => match self.failed(name, &error) {
                error if error.code() == "NO_SUCH_OBJECT" => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn publish(&self, files: &[(String, PathBuf)], replace: bool, stop: &(dyn Fn() -> bool + Sync)) -> Result<()> {
        let old = if replace { self.list().await? } else { Vec::new() };
        let mut sent = Vec::with_capacity(files.len());
        for some in files.chunks(UPLOADS) {
            let begun = futures::future::join_all(some.iter().map(|(name, file)| self.begin(name, file))).await;
            let mut failure = stop().then(|| Error::new(Kind::Cancelled, "CANCELLED", "storing the files was given up"));
            for upload in begun {
                match upload {
                    Ok(upload) => sent.push(upload),
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            if let Some(error) = failure {
                futures::future::join_all(sent.into_iter().map(Upload::abort)).await;
                return Err(error);
            }
        }
        let mut undo = Vec::with_capacity(sent.len());
        let mut sent = sent.into_iter();
        while let Some(upload) = sent.next() {
            let mine = upload.undo();
            if let Err(error) = upload.complete().await {
                futures::future::join_all(sent.map(Upload::abort)).await;
                if !replace {
                    futures::future::join_all(undo).await;
                }
                return Err(error);
            }
            undo.push(mine);
        }
        let kept: std::collections::HashSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        for entry in old.iter().filter(|entry| !kept.contains(entry.name.as_str())) {
            self.store.delete(&self.at(&entry.name)?).await.map_err(|error| self.failed(&entry.name, &error))?;
        }
        Ok(())
    }

    async fn write(&self, name: &str, file: &Path) -> Result<()> {
        self.begin(name, file).await?.complete().await
    }
}

/// The host and the path of a URI, as they stand: a `%` in them means itself.
fn split(uri: &str) -> Result<(&str, &str)> {
    let rest = uri.split_once("://").map(|(_, rest)| rest).filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    let rest = rest.ok_or_else(|| address(uri, "no bucket is named"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((host, path.trim_matches('/')))
}

/// The error for a URI that is not of the form it must have.
fn address(uri: &str, why: &str) -> Error {
    Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", format!("{why}: '{}'", http::redacted(uri)))
}

/// The value of an environment variable that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Whether an environment variable says yes.
fn enabled(name: &str) -> bool {
    variable(name).is_some_and(|value| matches!(value.trim().to_ascii_lowercase().as_str(), "true" | "1" | "yes"))
}

fn retries() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(10), base: 2.0 };
    RetryConfig { backoff, max_retries: 4, retry_timeout: Duration::from_secs(120) }
}

/// How a store is reached. A whole answer may take any time; that its parts keep coming is watched elsewhere.
fn client(plain_http: bool, insecure: bool) -> ClientOptions {
    let options = ClientOptions::new().with_timeout_disabled().with_connect_timeout(Duration::from_secs(10));
    options.with_allow_http(plain_http).with_allow_invalid_certificates(insecure)
}
