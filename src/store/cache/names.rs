//! What URIs stood for when they were last asked for: all that is known without a network.

use super::{
    Cache, Held, id,
    record::{self, Name},
};
use crate::error::{Error, Kind, Result};

impl Cache {
    /// Writes down what a URI stands for now.
    pub(in crate::store) fn remember(&self, uri: &str, origin: &str, held: &Held) {
        let digest = held.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let (names, id) = (self.root.join("names"), id(&named(uri)));
        let name = Name { origin: origin.to_owned(), digest };
        if self.locks.read_only.is_none() && record::read::<Name>(&names, &id).as_ref() != Some(&name) {
            // Only work without a network needs it.
            let _ = record::write(&names, &id, &name);
        }
    }

    /// The model that a URI stood for when it was last asked for, and the place it came from.
    pub(in crate::store) async fn recall(&self, uri: &str) -> Result<(String, Held)> {
        let name = record::read::<Name>(&self.root.join("names"), &id(&named(uri)));
        if let Some(Name { origin, digest }) = name
            && let Some(held) = self.hold(&digest).await?
        {
            return Ok((origin, held));
        }
        let uri = crate::http::redacted(uri);
        let message =
            format!("'{uri}' is not in the cache '{}', and MLFLIGHT_OFFLINE forbids to ask for it", self.root.display());
        Err(Error::new(Kind::Unavailable, "OFFLINE", message)
            .remedy("download it once with a network ('mlflight download'), or unset MLFLIGHT_OFFLINE"))
    }
}

/// What a URI means depends on these too.
fn named(uri: &str) -> String {
    let variables =
        ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL", "DATABRICKS_HOST"];
    variables.iter().fold(uri.to_owned(), |text, name| format!("{text}\n{}", std::env::var(name).unwrap_or_default()))
}
