//! A version of a registered model.

use std::time::{Duration, Instant};

use super::options::{LogOptions, Logged};
use crate::{
    error::{Error, Kind, Result},
    tracking::{NewVersion, Tracking},
};

/// How long a version may take to be ready.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often it is asked for meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// Registers a model that was logged, and returns the number of its version.
pub(super) async fn register(known: &Tracking, logged: &Logged, name: &str, options: &LogOptions) -> Result<u64> {
    let registry = &known.registry;
    registry.create_registered_model(name).await?;
    let source = match &logged.model_id {
        Some(_) => logged.model_uri.clone(),
        None => logged.artifact_uri.clone(),
    };
    let version = NewVersion {
        name: name.to_owned(),
        source,
        location: logged.artifact_uri.clone(),
        run_id: Some(logged.run_id.clone()),
        model_id: logged.model_id.clone(),
        tags: options.tags.clone(),
    };
    let mut made = registry.create_version(&version).await?;
    let started = Instant::now();
    while made.status == "PENDING_REGISTRATION" && started.elapsed() < PATIENCE {
        tokio::time::sleep(PAUSE).await;
        made = registry.version(name, made.version).await?;
    }
    if made.status != "READY" {
        let message = format!("'{}' is not ready: its status is {}", made.model_uri(), made.status);
        return Err(Error::new(Kind::Unavailable, "MODEL_NOT_READY", message).remedy("see the registry's own word for it"));
    }
    if let Some(model) = &logged.model_id {
        known.tracking.note_version(model, &made).await?;
    }
    if let Some(alias) = &options.alias {
        registry.set_alias(name, alias, made.version).await?;
    }
    Ok(made.version)
}
