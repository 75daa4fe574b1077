//! `models:/…`, `runs:/…` and `mlflow-artifacts:/…`: MLflow's names for models, and the places they stand for.

mod artifacts;
mod local;
mod merged;
mod settled;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc};

use async_trait::async_trait;

use self::{artifacts::Artifacts, local::Local, merged::Merged, settled::Settled};
use super::{
    file,
    place::Place,
    remote::{self, Location, Scheme},
};
use crate::{
    error::{Error, Kind, Result},
    http,
    tracking::{ModelName, ModelVersion, RunPath, SharedBackend, Tracking, Which},
};

pub use self::local::listed;

/// A name that stands for a name that stands for a name is followed no further than this.
const MAX_NAMES: usize = 4;

/// `models:/…`
pub(super) struct Models;

/// `runs:/…`
pub(super) struct Runs;

/// `mlflow-artifacts:/…`
pub(super) struct ProxiedArtifacts;

#[async_trait]
impl Scheme for Models {
    async fn open(&self, uri: &str) -> Result<Location> {
        model(&Tracking::from_env()?, uri, MAX_NAMES).await
    }
}

#[async_trait]
impl Scheme for Runs {
    async fn open(&self, uri: &str) -> Result<Location> {
        run(&Tracking::from_env()?, uri, MAX_NAMES).await
    }
}

#[async_trait]
impl Scheme for ProxiedArtifacts {
    async fn open(&self, uri: &str) -> Result<Location> {
        Ok(Location::Place(Arc::new(Artifacts::open(uri, Tracking::from_env()?.tracking.server())?)))
    }
}

/// Where files can be stored at an artifact URI of a run or a model of `tracking`.
pub async fn writable(uri: &str, tracking: &SharedBackend) -> Result<Arc<dyn Place>> {
    let path = match file::scheme_of(uri) {
        Some(scheme) if !scheme.eq_ignore_ascii_case("file") => None,
        _ => Some(file::path(uri)?),
    };
    if let Some(path) = path {
        return Ok(Arc::new(Local::new(path)));
    }
    if Artifacts::serves(uri) {
        return Ok(Arc::new(Artifacts::open(uri, tracking.server())?));
    }
    match remote::open(uri).await? {
        Location::Place(place) => Ok(place),
        Location::Directory(found) => Ok(Arc::new(Local::new(found.directory))),
    }
}

/// Finds out where an artifact URI leads that a store of MLflow's has named.
fn artifacts<'a>(known: &'a Tracking, uri: &'a str, names: usize) -> Pin<Box<dyn Future<Output = Result<Location>> + Send + 'a>> {
    Box::pin(async move {
        let scheme = file::scheme_of(uri).unwrap_or("file").to_ascii_lowercase();
        if names == 0 {
            let message = format!("'{}' stands for a name that leads nowhere", http::redacted(uri));
            return Err(Error::new(Kind::FailedPrecondition, "MODEL_URI_INVALID", message));
        }
        match scheme.as_str() {
            "models" => model(known, uri, names - 1).await,
            "runs" => run(known, uri, names - 1).await,
            _ if Artifacts::serves(uri) => Ok(Location::Place(Arc::new(Artifacts::open(uri, known.tracking.server())?))),
            _ => remote::open(uri).await,
        }
    })
}

async fn model(known: &Tracking, uri: &str, names: usize) -> Result<Location> {
    let (name, which, path) = match ModelName::parse(uri)? {
        ModelName::Registered { name, which, path } => (name, which, path),
        ModelName::Logged { id, path } => {
            let model = known.tracking.logged_model(&id).await?;
            if !model.ready {
                let message = format!("the files of the logged model '{id}' are not all there");
                return Err(Error::new(Kind::FailedPrecondition, "MODEL_NOT_READY", message).remedy("log the model again"));
            }
            let here = matches!(file::scheme_of(&model.artifact_uri), None | Some("file"));
            if known.tracking.server().is_some() && !here {
                return Ok(Location::Place(Arc::new(Settled::logged(known.clone(), model, path, names))));
            }
            return artifacts(known, &join(&model.artifact_uri, &path), names).await;
        }
    };
    let registry = &known.registry;
    let version = match which {
        Which::Version(number) => registry.version(&name, number).await?,
        Which::Alias(alias) => registry.by_alias(&name, &alias).await?,
        Which::Latest => registry.latest(&name, None).await?,
        Which::Stage(stage) => registry.latest(&name, Some(&stage)).await?,
    };
    if version.status != "READY" {
        let message = format!("'{}' is not ready: its status is {}", version.model_uri(), version.status);
        return Err(
            Error::new(Kind::FailedPrecondition, "MODEL_NOT_READY", message).remedy("wait for it, or name another version")
        );
    }
    if registry.server().is_some() {
        // What has been downloaded of it once is used without a second question.
        return Ok(Location::Place(Arc::new(Settled::version(known.clone(), version, path, names))));
    }
    located(known, &version, &path, names).await
}

/// Where the files of a version lie.
async fn located(known: &Tracking, version: &ModelVersion, path: &str, names: usize) -> Result<Location> {
    let uri = known.registry.download_uri(version).await?;
    artifacts(known, &join(&uri, path), names).await
}

async fn run(known: &Tracking, uri: &str, names: usize) -> Result<Location> {
    let RunPath { run, path } = RunPath::parse(uri)?;
    let run = known.tracking.run(&run).await?;
    let own = join(&run.artifact_uri, &path);
    let (name, inside) = path.split_once('/').unwrap_or((&path, ""));
    let model = if name.is_empty() { None } else { known.tracking.logged_models(&run, name).await?.into_iter().next() };
    let Some(model) = model else {
        return match artifacts(known, &own, names).await {
            Err(error) if error.kind() == Kind::NotFound => Err(nothing(uri, &error)),
            found => found,
        };
    };
    let model = artifacts(known, &join(&model.artifact_uri, inside), names).await?;
    // What the run itself logged at the same path is there too, unless the model has it.
    match artifacts(known, &own, names).await {
        Err(error) if error.kind() == Kind::NotFound => Ok(model),
        Err(error) => Err(error),
        Ok(own) => Ok(Location::Place(Arc::new(Merged::new(uri, place(model), place(own))))),
    }
}

fn nothing(uri: &str, error: &Error) -> Error {
    let message = format!("'{}': the run has neither artifacts nor a model there", http::redacted(uri));
    Error::new(Kind::NotFound, "MODEL_NOT_FOUND", message).remedy("check the path").source(error.replica())
}

/// A location as a place.
fn place(location: Location) -> Arc<dyn Place> {
    match location {
        Location::Place(place) => place,
        Location::Directory(found) => Arc::new(Local::new(found.directory)),
    }
}

/// A path below an artifact URI.
pub fn join(uri: &str, path: &str) -> String {
    let uri = uri.trim_end_matches('/');
    if path.is_empty() { uri.to_owned() } else { format!("{uri}/{path}") }
}

/// The name of a file below a directory; a name that would leave it is refused.
fn below(directory: &std::path::Path, name: &str) -> Result<PathBuf> {
    file::within(directory, name)
}
