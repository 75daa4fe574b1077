//! `gs://` URIs.

use std::sync::Arc;

use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use super::{Objects, client, enabled, errors, patience::Patient, retries, split, variable};
use crate::{error::Result, http};

/// The objects of a URI, with the credentials of `GOOGLE_APPLICATION_CREDENTIALS`, of gcloud or of the machine.
pub(in crate::store) fn open(uri: &str) -> Result<Objects> {
    let (bucket, path) = split(uri)?;
    // What Google's own libraries ask instead of the cloud.
    let emulator = variable("STORAGE_EMULATOR_HOST")
        .map(|host| if host.contains("://") { host } else { format!("http://{host}") })
        .map(|host| host.trim_end_matches('/').to_owned());
    let plain_http = emulator.as_ref().is_some_and(|host| host.starts_with("http://"));
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retries())
        .with_http_connector(Patient)
        .with_client_options(client(plain_http, enabled("GOOGLE_ALLOW_INVALID_CERTIFICATES")));
    if let Some(host) = &emulator {
        builder = builder.with_config(GoogleConfigKey::BaseUrl, host).with_skip_signature(true);
    }
    let store = builder.build().map_err(|error| errors::translate(&http::redacted(uri), "", &error))?;
    Objects::new(uri, Arc::new(store), path, emulator.as_deref())
}
