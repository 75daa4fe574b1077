//! Files in another place than this machine.

use std::{ops::Range, path::Path};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::error::Result;

/// One regular file of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// All regular files below, at any depth. A place without files gives none, or `NOT_FOUND` where it can tell.
    async fn list(&self) -> Result<Vec<Entry>>;

    /// The bytes of a file in this range, `None` for all of them. A place that cannot give ranges gives more than was asked for only
    /// for a range that starts at 0.
    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part>;

    /// Stores a file of this machine under a name. Afterwards it is there whole, or not at all.
    async fn write(&self, name: &str, file: &Path) -> Result<()>;
}
