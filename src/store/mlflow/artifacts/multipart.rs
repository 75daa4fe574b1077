//! A large file on its way to the store behind the server: part by part, to URLs that the server signs.

use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use super::{Artifacts, abilities};
use crate::{
    error::{Error, Kind, Result},
    http::{Method, header},
};

/// Bytes of a part, as of MLflow's own client. Stores take 10,000 parts, so larger files have larger ones.
const PART: u64 = 10 << 20;
const MAX_PARTS: u64 = 10_000;

/// Parts that are sent side by side.
const AT_ONCE: usize = 4;

impl Artifacts {
    pub(super) async fn upload_in_parts(&self, name: &str, file: &Path, size: u64) -> Result<()> {
        let part = PART.max(size.div_ceil(MAX_PARTS));
        let count = size.div_ceil(part).max(1);
        // The calls name the directory in their path and the file in their body.
        let (directory, base) = name.rsplit_once('/').unwrap_or(("", name));
        let answer = self.call("create", directory, json!({"path": base, "num_parts": count})).await?;
        let Some(id) = answer["upload_id"].as_str() else { return Err(self.no_server()) };
        let credentials = answer["credentials"].as_array().cloned().unwrap_or_default();
        let credentials = credentials.into_iter().take(count as usize).enumerate();
        let sent = stream::iter(credentials)
            .map(|(at, credential)| self.part(name, file, at as u64 * part, part.min(size - at as u64 * part), credential))
            .buffered(AT_ONCE)
            .try_collect::<Vec<Value>>()
            .await;
        let done = match sent {
            Ok(parts) if parts.len() as u64 == count => {
                self.call("complete", directory, json!({"path": base, "upload_id": id, "parts": parts})).await
            }
            Ok(_) => Err(self.no_server()),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            // What cannot be taken back now is left to the store's own clean-up; the first failure is what counts.
            let _ = self.call("abort", directory, json!({"path": base, "upload_id": id})).await;
            return Err(error);
        }
        Ok(())
    }

    async fn call(&self, what: &str, directory: &str, body: Value) -> Result<Value> {
        let url = self.url(&format!("/api/2.0/mlflow-artifacts/mpu/{what}"), directory)?;
        let reply = self.client.send(self.client.request(Method::POST, url.as_str()).json(&body)).await?;
        if reply.status.is_success() {
            return Ok(reply.json().unwrap_or_default());
        }
        Err(self.refused(directory, reply.status, reply.json()))
    }

    /// Sends one part; what the server is to be told of it.
    async fn part(&self, name: &str, file: &Path, start: u64, size: u64, credential: Value) -> Result<Value> {
        let Some(url) = credential["url"].as_str() else { return Err(self.no_server()) };
        let mut opened = tokio::fs::File::from_std(crate::file::open(file)?);
        let mut bytes = Vec::with_capacity(size as usize);
        opened.seek(SeekFrom::Start(start)).await.map_err(|error| Error::io(file, error))?;
        opened.take(size).read_to_end(&mut bytes).await.map_err(|error| Error::io(file, error))?;
        let mut request = self.bare.request(Method::PUT, url);
        for (key, value) in abilities::headers(&credential["headers"]) {
            request = request.header(key, value);
        }
        let response = self.bare.open(request.body(bytes)).await?;
        if !response.status().is_success() {
            let message = format!("'{}/{name}': the store answers {} to a part", self.shown, response.status().as_u16());
            return Err(Error::new(Kind::Unavailable, "UPLOAD_FAILED", message).remedy("try again"));
        }
        let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default();
        Ok(json!({"part_number": credential["part_number"], "etag": etag, "url": url}))
    }
}
