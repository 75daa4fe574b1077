//! URIs of other places than this machine: which implementation reads which scheme.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    dbfs::Dbfs,
    file::{directory, path, scheme_of},
    mlflow, objects,
    place::Place,
    resolve::Resolved,
    web::Web,
};
use crate::{
    error::{Error, Kind, Result},
    http,
};

/// Where a URI leads.
pub enum Location {
    /// A directory of this machine.
    Directory(Resolved),
    /// Files elsewhere.
    Place(Arc<dyn Place>),
}

/// Reads the URIs of one or more schemes.
#[async_trait]
pub(super) trait Scheme: Sync {
    /// Finds out where a URI leads. Nothing of what is there is read.
    async fn open(&self, uri: &str) -> Result<Location>;
}

/// The schemes that are read, beside `file:` and paths.
const SCHEMES: [(&str, &dyn Scheme); 17] = [
    ("s3", &S3),
    ("s3a", &S3),
    ("r2", &S3),
    ("b2", &S3),
    ("gs", &Google),
    ("abfss", &Azure),
    ("abfs", &Azure),
    ("wasbs", &Azure),
    ("wasb", &Azure),
    ("az", &Azure),
    ("http", &Http),
    ("https", &Http),
    ("models", &mlflow::Models),
    ("runs", &mlflow::Runs),
    ("mlflow-artifacts", &mlflow::ProxiedArtifacts),
    ("dbfs", &Databricks),
    ("hdfs", &Hadoop),
];

/// Whether a text is a URI of another place, rather than a path of this machine.
pub fn is_remote(text: &str) -> bool {
    scheme_of(text).is_some_and(|scheme| {
        let known = SCHEMES.iter().any(|(name, _)| scheme.eq_ignore_ascii_case(name));
        known || !scheme.eq_ignore_ascii_case("file") && text[scheme.len()..].starts_with("://")
    })
}

/// Finds out where a URI leads: a path, a `file:` URI, or one of another place.
pub async fn open(uri: &str) -> Result<Location> {
    let scheme = scheme_of(uri).unwrap_or("file");
    if scheme.eq_ignore_ascii_case("file") {
        return Ok(Location::Directory(directory(&path(uri)?, uri)?));
    }
    refuse_password(scheme, uri)?;
    match SCHEMES.iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name)) {
        Some((_, found)) => found.open(uri).await,
        None => Err(unknown(scheme, uri)),
    }
}

/// Refuses a URI with a password in it: those of web servers alone may have one.
fn refuse_password(scheme: &str, uri: &str) -> Result<()> {
    let authority = uri[scheme.len() + 1..].strip_prefix("//").map(|rest| rest.split('/').next().unwrap_or_default());
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    if scheme.to_ascii_lowercase().starts_with("http") || !user.is_some_and(|user| user.contains(':')) {
        return Ok(());
    }
    let message = format!("'{}': the URI has a user and a password in it", http::redacted(uri));
    Err(Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", message)
        .remedy("give credentials by the variables and files that docs/stores.md lists"))
}

/// The error for a scheme that is not known.
fn unknown(scheme: &str, uri: &str) -> Error {
    let mut names: Vec<_> = SCHEMES.iter().map(|(name, _)| *name).collect();
    names.insert(0, "file");
    let message = format!("'{}': URIs of the scheme '{scheme}:' are not read", http::redacted(uri));
    Error::new(Kind::Unimplemented, "MODEL_URI_SCHEME", message)
        .expected(format!("one of {}", names.join(", ")))
        .remedy("download the model and name its directory")
}

struct S3;

#[async_trait]
impl Scheme for S3 {
    async fn open(&self, uri: &str) -> Result<Location> {
        Ok(Location::Place(Arc::new(objects::s3(uri).await?)))
    }
}

struct Google;

#[async_trait]
impl Scheme for Google {
    async fn open(&self, uri: &str) -> Result<Location> {
        Ok(Location::Place(Arc::new(objects::google(uri)?)))
    }
}

struct Azure;

#[async_trait]
impl Scheme for Azure {
    async fn open(&self, uri: &str) -> Result<Location> {
        Ok(Location::Place(Arc::new(objects::azure(uri)?)))
    }
}

struct Http;

#[async_trait]
impl Scheme for Http {
    async fn open(&self, uri: &str) -> Result<Location> {
        Ok(Location::Place(Arc::new(Web::open(uri)?)))
    }
}

struct Databricks;

#[async_trait]
impl Scheme for Databricks {
    async fn open(&self, uri: &str) -> Result<Location> {
        Ok(Location::Place(Arc::new(Dbfs::open(uri)?)))
    }
}

struct Hadoop;

#[async_trait]
impl Scheme for Hadoop {
    async fn open(&self, uri: &str) -> Result<Location> {
        let message = format!("'{}': HDFS is not read by this version", http::redacted(uri));
        Err(Error::new(Kind::Unimplemented, "MODEL_URI_SCHEME", message)
            .remedy("copy the model by 'hdfs dfs -get' and name its directory, or name it by WebHDFS or an object store"))
    }
}
