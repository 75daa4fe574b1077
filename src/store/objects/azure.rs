//! `abfss://`, `wasbs://` and `az://` URIs.

use std::sync::Arc;

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::{Objects, address, client, enabled, errors, patience::Patient, retries, split, variable};
use crate::{error::Result, http};

/// The objects of a URI (`abfss://container@account.dfs.core.windows.net/path` or `az://container/path`), with the credentials of
/// `AZURE_STORAGE_*`, of a service principal, of the Azure CLI or of the machine.
pub(in crate::store) fn open(uri: &str) -> Result<Objects> {
    let (host, path) = split(uri)?;
    let connection = variable("AZURE_STORAGE_CONNECTION_STRING");
    let part = |name: &str| {
        let pairs = connection.as_deref().unwrap_or_default().split(';').filter_map(|pair| pair.split_once('='));
        let mut found = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned());
        found.next()
    };
    let (container, account) = match host.split_once('@') {
        Some((container, host)) => (container, Some(host)),
        None => (host, None),
    };
    if container.is_empty() || account.is_some_and(|host| !host.contains('.')) {
        return Err(address(uri, "expected abfss://container@account.dfs.core.windows.net/path"));
    }
    let endpoint = variable("AZURE_STORAGE_ENDPOINT").or_else(|| variable("AZURE_ENDPOINT")).or_else(|| part("BlobEndpoint"));
    let plain_http = enabled("AZURE_ALLOW_HTTP") || endpoint.as_ref().is_some_and(|url| url.starts_with("http://"));
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_retry(retries())
        .with_http_connector(Patient)
        .with_client_options(client(plain_http, enabled("AZURE_ALLOW_INVALID_CERTIFICATES")));
    for (name, key) in [
        ("AccountName", AzureConfigKey::AccountName),
        ("AccountKey", AzureConfigKey::AccessKey),
        ("SharedAccessSignature", AzureConfigKey::SasKey),
    ] {
        if let Some(value) = part(name) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = &endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    if let Some(host) = account {
        let (name, domain) = host.split_once('.').unwrap_or((host, ""));
        builder = builder.with_account(name);
        // The Data Lake address of an account is answered by its blob service too; clouds of single states have domains of their own.
        if endpoint.is_none() {
            let domain = domain.strip_prefix("dfs.").map_or_else(|| domain.to_owned(), |rest| format!("blob.{rest}"));
            builder = builder.with_endpoint(format!("https://{name}.{domain}"));
        }
    }
    let store = builder.build().map_err(|error| errors::translate(&http::redacted(uri), "", &error))?;
    let told = [endpoint.as_deref(), variable("AZURE_STORAGE_ACCOUNT_NAME").as_deref(), part("AccountName").as_deref()]
        .map(Option::unwrap_or_default)
        .join(" ");
    let objects = Objects::new(uri, Arc::new(store), path, Some(&told))?;
    // The container stands where a URL has its user: it is no secret.
    Ok(Objects { origin: uri.split(['?', '#']).next().unwrap_or_default().to_owned(), ..objects })
}
