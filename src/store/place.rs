//! Files in another place than this machine.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// One regular file of a place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Path inside the place, with `/` between names, as the place lists it: whoever writes it to disk checks it first.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// What changes when the content does, such as an ETag; `None` where the place does not tell.
    pub version: Option<String>,
}

/// A part of a file as it arrives.
pub type Part = BoxStream<'static, Result<Bytes>>;

/// Files below one URI of an object store, a web server or an MLflow server.
#[async_trait]
pub trait Place: Send + Sync {
    /// The URI, without secrets: what logs and errors call the place.
    fn origin(&self) -> &str;

    /// What tells the place from every other, secrets and all: it is only ever hashed.
    fn key(&self) -> String {
        self.origin().to_owned()
    }

    /// Whether what lies here never changes, as the files of a model version do: a copy of it is not compared with the place again.
    fn settled(&self) -> bool {
        false
    }

    /// Whether the URI names one archive, which stands for the files in it. The place then lists the archive alone.
    fn archive(&self) -> bool {
        false
    }

    /// All regular files below, at any depth. A place without files gives none, or `NOT_FOUND` where it can tell.
    async fn list(&self) -> Result<Vec<Entry>>;

    /// The bytes of a file in this range, `None` for all of them. A place that cannot give ranges gives more than was asked for only
    /// for a range that starts at 0.
    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part>;

    /// The same of a file that was listed, which must not have changed since, as far as the place can tell.
    async fn read_entry(&self, entry: &Entry, range: Option<Range<u64>>) -> Result<Part> {
        self.read(&entry.name, range).await
    }

    /// The file of this name, if there is one.
    async fn find(&self, name: &str) -> Result<Option<Entry>> {
        Ok(self.list().await?.into_iter().find(|entry| entry.name == name))
    }

    /// Stores files of this machine under their names: they appear together, as far as the place can do that, or not at all. With
    /// `replace` everything else is removed. `stop` is asked now and then whether to give up.
    async fn publish(&self, files: &[(String, PathBuf)], replace: bool, stop: &(dyn Fn() -> bool + Sync)) -> Result<()> {
        let _ = replace;
        for (name, file) in files {
            if stop() {
                return Err(Error::new(Kind::Cancelled, "CANCELLED", "storing the files was given up"));
            }
            self.write(name, file).await?;
        }
        Ok(())
    }

    /// Stores a file of this machine under a name. Afterwards it is there whole, or not at all.
    async fn write(&self, name: &str, file: &Path) -> Result<()>;
}
