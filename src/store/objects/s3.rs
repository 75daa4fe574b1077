//! `s3://`, `s3a://`, `r2://` and `b2://` URIs.

use std::sync::Arc;

use object_store::{Certificate, aws::AmazonS3Builder};

use super::{Objects, address, client, enabled, errors, patience::Patient, profile::Profile, retries, split, variable};
use crate::{
    error::{Error, Kind, Result},
    http,
};

/// The objects of a URI, with the credentials of the environment, of a profile of the AWS command line, or of the machine.
pub(in crate::store) async fn open(uri: &str) -> Result<Objects> {
    let (host, path) = split(uri)?;
    let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let profile = Profile::read()?;
    let endpoint = ["MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let mut endpoint = endpoint.into_iter().find_map(variable).or_else(|| profile.endpoint.clone());
    let mut region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).or_else(|| profile.region.clone());
    let mut bucket = host;
    if scheme == "r2" {
        // r2://bucket@account.r2.cloudflarestorage.com/path, as MLflow writes it.
        let (name, account) =
            host.split_once('@').ok_or_else(|| address(uri, "expected r2://bucket@account.r2.cloudflarestorage.com/path"))?;
        bucket = name;
        endpoint = endpoint.or_else(|| Some(format!("https://{account}")));
        region = region.or_else(|| Some("auto".to_owned()));
    }
    if scheme == "b2" && endpoint.is_none() {
        return Err(address(uri, "a b2: URI needs the address of its service").remedy("set MLFLOW_S3_ENDPOINT_URL"));
    }
    let plain_http = enabled("AWS_ALLOW_HTTP") || endpoint.as_ref().is_some_and(|url| url.starts_with("http://"));
    let insecure = enabled("MLFLOW_S3_IGNORE_TLS") || enabled("AWS_ALLOW_INVALID_CERTIFICATES");
    let mut options = client(plain_http, insecure);
    if let Some(path) = variable("AWS_CA_BUNDLE") {
        let pem = std::fs::read(&path).map_err(|error| Error::io(path.as_ref(), error))?;
        let unusable = |_| Error::new(Kind::InvalidArgument, "CERTIFICATE", format!("'{path}' holds no certificate in PEM"));
        for certificate in Certificate::from_pem_bundle(&pem).map_err(unusable)? {
            options = options.with_root_certificate(certificate);
        }
    }
    if region.is_none() && endpoint.is_none() && !enabled("AWS_EC2_METADATA_DISABLED") {
        // A bucket is reached in its own region only. Where that cannot be found out, the first request says what is wrong.
        region = object_store::aws::resolve_bucket_region(bucket, &options).await.ok();
    }
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retries())
        .with_http_connector(Patient)
        .with_client_options(options);
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    let named = variable("AWS_ACCESS_KEY_ID").is_some() || variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
    let handed = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"].into_iter().find_map(variable);
    if !named && let Some(keys) = &profile.keys {
        builder = builder.with_access_key_id(&keys.id).with_secret_access_key(keys.secret.expose());
        if let Some(token) = &keys.token {
            builder = builder.with_token(token.expose());
        }
    } else if !named && handed.is_none() && enabled("AWS_EC2_METADATA_DISABLED") && !enabled("AWS_SKIP_SIGNATURE") {
        let message = format!("'{}': no credentials were found", http::redacted(uri));
        return Err(Error::new(Kind::Unauthenticated, "NO_CREDENTIALS", message).remedy(
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or AWS_SKIP_SIGNATURE=true for a public bucket",
        ));
    }
    let store = builder.build().map_err(|error| errors::translate(&http::redacted(uri), "", &error))?;
    let objects = Objects::new(uri, Arc::new(store), path, endpoint.as_deref())?;
    Ok(Objects { origin: uri.to_owned(), ..objects })
}
