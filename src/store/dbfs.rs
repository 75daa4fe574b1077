//! `dbfs:/` URIs, by the REST API of a Databricks workspace.

use std::{ops::Range, path::Path};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::{
    place::{Entry, Part, Place},
    walk,
};
use crate::{
    config::Secret,
    error::{Error, Kind, Result},
    http::{self, Auth, Client, ClientOptions, Method},
};

/// The API gives and takes this many bytes of a file at a time.
const BLOCK: u64 = 1 << 20;

/// Files below one path of a workspace.
#[derive(Debug)]
pub(super) struct Dbfs {
    client: std::sync::Arc<Client>,
    host: String,
    path: String,
    origin: String,
}

impl Dbfs {
    /// The files of a URI, in the workspace of `DATABRICKS_HOST` for who holds `DATABRICKS_TOKEN`.
    pub(super) fn open(uri: &str) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let origin = http::redacted(uri.trim_end_matches('/'));
        let (Some(host), Some(token)) = (variable("DATABRICKS_HOST"), variable("DATABRICKS_TOKEN")) else {
            let message = format!("'{origin}': no workspace is named");
            return Err(
                Error::new(Kind::Unauthenticated, "NO_CREDENTIALS", message).remedy("set DATABRICKS_HOST and DATABRICKS_TOKEN")
            );
        };
        // dbfs:/path, and dbfs:///path as some write it.
        let path = uri.split_once(':').map_or("", |(_, path)| path).trim_matches('/');
        let host = host.trim().trim_end_matches('/');
        let host = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
        let client = Client::new(ClientOptions { auth: Auth::Bearer(Secret::new(token.trim())), ..ClientOptions::default() })?;
        Ok(Self { client: client.into(), host, path: format!("/{path}"), origin })
    }

    async fn call(&self, method: Method, api: &str, fields: Value) -> Result<Value> {
        let url = format!("{}/api/2.0/dbfs/{api}", self.host);
        let request = self.client.request(method.clone(), &url);
        let request = if method == Method::GET { request.query(&fields) } else { request.json(&fields) };
        let reply = self.client.send(request).await?;
        let answer = reply.json();
        if reply.status.is_success()
            && let Some(answer) = answer
        {
            return Ok(answer);
        }
        let code = answer.as_ref().and_then(|answer| answer["error_code"].as_str()).unwrap_or_default().to_owned();
        let shown = fields["path"].as_str().map_or_else(|| self.origin.clone(), |path| format!("dbfs:{path}"));
        if code == "RESOURCE_DOES_NOT_EXIST" {
            return Err(http::refused(http::StatusCode::NOT_FOUND, &shown));
        }
        if reply.status.is_success() {
            let message = format!("'{shown}': the server at {} is no Databricks workspace", http::redacted(&self.host));
            return Err(Error::new(Kind::FailedPrecondition, "NO_WORKSPACE", message).remedy("check DATABRICKS_HOST"));
        }
        let error = http::refused(reply.status, &shown);
        Err(if code.is_empty() { error } else { error.detail(code) })
    }

    fn at(&self, name: &str) -> String {
        if name.is_empty() { self.path.clone() } else { format!("{}/{name}", self.path.trim_end_matches('/')) }
    }

    async fn send(&self, handle: &Value, file: &Path) -> Result<()> {
        let mut source = tokio::fs::File::open(file).await.map_err(|error| Error::io(file, error))?;
        let mut block = vec![0; BLOCK as usize / 2];
        loop {
            let count = source.read(&mut block).await.map_err(|error| Error::io(file, error))?;
            if count == 0 {
                return Ok(());
            }
            let fields = json!({"handle": handle, "data": STANDARD.encode(&block[..count])});
            self.call(Method::POST, "add-block", fields).await?;
        }
    }
}

#[async_trait]
impl Place for Dbfs {
    fn origin(&self) -> &str {
        &self.origin
    }

    fn key(&self) -> String {
        format!("{}\n{}", self.origin, self.host)
    }

    async fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut open = vec![self.path.clone()];
        let root = format!("{}/", self.path.trim_end_matches('/'));
        let mut seen = 0;
        while let Some(directory) = open.pop() {
            seen += 1;
            if seen > walk::MAX_FILES || entries.len() > walk::MAX_FILES {
                break;
            }
            let listed = self.call(Method::GET, "list", json!({"path": directory})).await?;
            for file in listed["files"].as_array().into_iter().flatten() {
                let path = file["path"].as_str().unwrap_or_default();
                let Some(name) = path.strip_prefix(&root) else { continue };
                if file["is_dir"].as_bool() == Some(true) {
                    open.push(path.to_owned());
                } else {
                    let version = file["modification_time"].as_u64().map(|time| time.to_string());
                    entries.push(Entry { name: name.to_owned(), size: file["file_size"].as_u64().unwrap_or(0), version });
                }
            }
        }
        Ok(entries)
    }

    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part> {
        let path = self.at(name);
        let Range { start, end } = range.unwrap_or(0..u64::MAX);
        let this =
            Self { client: self.client.clone(), host: self.host.clone(), path: self.path.clone(), origin: self.origin.clone() };
        let blocks = futures::stream::try_unfold((this, path, start), move |(this, path, at)| async move {
            let length = BLOCK.min(end.saturating_sub(at));
            if length == 0 {
                return Ok(None);
            }
            let block = this.call(Method::GET, "read", json!({"path": path, "offset": at, "length": length})).await?;
            let data = block["data"].as_str().and_then(|data| STANDARD.decode(data).ok()).unwrap_or_default();
            let next = at + data.len() as u64;
            Ok((!data.is_empty()).then(|| (Bytes::from(data), (this, path, next))))
        });
        Ok(blocks.boxed())
    }

    async fn write(&self, name: &str, file: &Path) -> Result<()> {
        // Written under another name first: a file appears block by block.
        let (path, part) = (self.at(name), self.at(&format!("{name}.mlflight-part")));
        let made = self.call(Method::POST, "create", json!({"path": part, "overwrite": true})).await?;
        let sent = self.send(&made["handle"], file).await;
        let closed = self.call(Method::POST, "close", json!({"handle": made["handle"]})).await;
        let moved = match sent.and(closed) {
            Ok(_) => {
                // A file that is there does not make way by itself.
                let _ = self.call(Method::POST, "delete", json!({"path": path})).await;
                self.call(Method::POST, "move", json!({"source_path": part, "destination_path": path})).await
            }
            Err(error) => Err(error),
        };
        if moved.is_err() {
            let _ = self.call(Method::POST, "delete", json!({"path": part})).await;
        }
        moved.map(|_| ())
    }
}
