//! Artifacts that an MLflow server hands through from the store behind it: `mlflow-artifacts:/…`.

mod abilities;
mod multipart;
mod upload;

use std::{ops::Range, path::Path};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use self::abilities::Abilities;
use crate::{
    error::{Error, Kind, Result},
    http::{self, Client, ClientOptions, Method, Response, StatusCode, header},
    store::place::{Entry, Part, Place},
    tracking,
};

/// Where a server keeps them.
const ROOT: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// Directories that are listed side by side.
const LISTED_AT_ONCE: usize = 8;

/// No place has more files, or directories nested deeper: what a model may have, and a little more.
const MAX_FILES: usize = 100_001;
const MAX_DEPTH: usize = 65;

/// Files of this size and more are taken from the store itself, where the server offers it.
const LARGE: u64 = 100 << 20;

/// Files below one path of a server's artifacts.
pub(super) struct Artifacts {
    client: Client,
    /// For URLs that carry their own permission.
    bare: Client,
    /// The address of the server, without a slash at its end.
    server: String,
    /// The path below its artifacts, without slashes at its ends.
    path: String,
    shown: String,
    abilities: OnceCell<Abilities>,
}

impl Artifacts {
    /// Whether a URI is one of these: by its scheme, or by the path of the API in it.
    pub(super) fn serves(uri: &str) -> bool {
        let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
        match scheme.as_str() {
            "mlflow-artifacts" => true,
            "http" | "https" => uri.split(['?', '#']).next().is_some_and(|bare| bare.contains(ROOT)),
            _ => false,
        }
    }

    /// The place at a URI; `tracking` is the address of the server that MLFLOW_TRACKING_URI names.
    pub(super) fn open(uri: &str, tracking: Option<&str>) -> Result<Self> {
        let shown = http::redacted(uri);
        let invalid = |why: &str| Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", format!("'{shown}': {why}"));
        let (server, path) = if let Some(rest) =
            uri.get(..17).filter(|s| s.eq_ignore_ascii_case("mlflow-artifacts:")).map(|_| &uri[17..])
        {
            let Some(tracking) = tracking else {
                let message = format!("'{shown}' lies on an MLflow server, and MLFLOW_TRACKING_URI names none");
                let error = Error::new(Kind::FailedPrecondition, "NO_TRACKING_SERVER", message);
                return Err(error.remedy("set MLFLOW_TRACKING_URI to the http(s) address of the server"));
            };
            match rest.strip_prefix("//").filter(|rest| !rest.starts_with('/')) {
                None => (tracking.to_owned(), rest.trim_start_matches('/').to_owned()),
                Some(rest) => {
                    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                    if host.bytes().all(|byte| byte.is_ascii_digit()) {
                        return Err(invalid("a port without a host"));
                    }
                    (on_host(tracking, host).ok_or_else(|| invalid("the host is none"))?, path.to_owned())
                }
            }
        } else {
            let bare = uri.split(['?', '#']).next().unwrap_or(uri);
            let (server, path) = bare.split_once(ROOT).ok_or_else(|| invalid("not a path of an MLflow server's artifacts"))?;
            let mut url = Url::parse(server).map_err(|error| invalid("not a URL").source(error))?;
            let _ = url.set_username("");
            let _ = url.set_password(None);
            (url.as_str().trim_end_matches('/').to_owned(), path.to_owned())
        };
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/').to_owned();
        if path.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(invalid("the path leads elsewhere"));
        }
        // A store may name any host: the user's credentials are for the one that the user has named.
        let client = if tracking.is_some_and(|tracking| same_host(tracking, &server)) {
            tracking::server_client(None)?
        } else {
            Client::new(ClientOptions::default())?
        };
        let bare = Client::new(ClientOptions::default())?;
        Ok(Self { client, bare, server, path, shown, abilities: OnceCell::new() })
    }

    /// The URL of a call that ends in the path of a file.
    fn url(&self, call: &str, name: &str) -> Result<Url> {
        let invalid =
            || Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", format!("'{}/{name}' is no artifact", self.shown));
        let mut url = Url::parse(&format!("{}{call}", self.server)).map_err(|_| invalid())?;
        let parts = || self.path.split('/').chain(name.split('/')).filter(|part| !part.is_empty());
        if parts().any(|part| matches!(part, "." | "..")) {
            return Err(invalid());
        }
        url.path_segments_mut().map_err(|()| invalid())?.extend(parts());
        Ok(url)
    }

    /// The entries of one directory, and the directories in it.
    async fn directory(&self, path: String) -> Result<(Vec<Entry>, Vec<String>)> {
        let full = [self.path.as_str(), path.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        let request = self.client.request(Method::GET, &format!("{}{ROOT}", self.server)).query(&[("path", &full)]);
        let reply = self.client.send(request).await?;
        if !reply.status.is_success() {
            return Err(self.refused(&path, reply.status, reply.json()));
        }
        let answer = reply.json().filter(Value::is_object).ok_or_else(|| self.no_server())?;
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for found in answer["files"].as_array().into_iter().flatten() {
            let name = found["path"].as_str().unwrap_or_default().trim_end_matches('/');
            let name = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            if found["is_dir"].as_bool() == Some(true) {
                directories.push(name);
                continue;
            }
            let size = match &found["file_size"] {
                Value::String(text) => text.parse().unwrap_or_default(),
                number => number.as_u64().unwrap_or_default(),
            };
            files.push(Entry { name, size, version: None });
        }
        Ok((files, directories))
    }

    /// Reads from the URL of a call.
    async fn get(
        &self,
        client: &Client,
        url: &str,
        headers: &[(String, String)],
        name: &str,
        range: Option<&Range<u64>>,
    ) -> Result<Part> {
        let mut request = client.request(Method::GET, url);
        for (key, value) in headers {
            request = request.header(key, value);
        }
        if let Some(range) = range {
            request = request.header(header::RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        }
        let response = client.open(request).await?;
        match response.status() {
            StatusCode::OK if range.is_some_and(|range| range.start > 0) => {
                let message = format!("'{}/{name}': the server gives no parts of files", self.shown);
                Err(Error::new(Kind::FailedPrecondition, "NO_RANGES", message))
            }
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response.bytes_stream().map_err(http::unreachable).boxed()),
            status => Err(self.refused(name, status, body(response).await)),
        }
    }

    /// Reads from the store behind the server, by a URL that it signs.
    async fn presigned(&self, name: &str, range: Option<&Range<u64>>) -> Result<Part> {
        let url = self.url("/api/2.0/mlflow-artifacts/presigned", name)?;
        let reply = self.client.send(self.client.request(Method::GET, url.as_str())).await?;
        let answer = reply.json().unwrap_or_default();
        match answer["url"].as_str() {
            Some(signed) if reply.status.is_success() => {
                self.get(&self.bare, signed, &abilities::headers(&answer["headers"]), name, range).await
            }
            _ => Err(self.refused(name, reply.status, Some(answer))),
        }
    }

    /// The error for a status; `answer` is what the server says.
    fn refused(&self, name: &str, status: StatusCode, answer: Option<Value>) -> Error {
        let said = answer.as_ref().and_then(|answer| answer["message"].as_str()).unwrap_or_default();
        let said: String = said.chars().take(500).collect();
        let at = [self.shown.as_str(), name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let make = |kind, code: &'static str| {
            Error::new(kind, code, format!("'{at}': MLflow server {} answers {}{said}", self.server, status.as_u16()))
        };
        match status {
            StatusCode::UNAUTHORIZED => make(Kind::Unauthenticated, "TRACKING_UNAUTHENTICATED").remedy(
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; a token may have expired",
            ),
            StatusCode::FORBIDDEN => {
                make(Kind::PermissionDenied, "TRACKING_PERMISSION").remedy("ask the owner of the server for the right to do this")
            }
            StatusCode::NOT_FOUND => make(Kind::NotFound, "MODEL_NOT_FOUND").remedy("check the path"),
            StatusCode::TOO_MANY_REQUESTS => make(Kind::Unavailable, "TRACKING_BUSY").remedy("try again later"),
            status if status.is_server_error() => make(Kind::Unavailable, "TRACKING_FAILED").remedy("see the log of the server"),
            _ => make(Kind::FailedPrecondition, "TRACKING_REFUSED").remedy("see whether the server serves artifacts"),
        }
    }

    fn no_server(&self) -> Error {
        let message = format!("{} does not serve artifacts as an MLflow server does", self.server);
        Error::new(Kind::FailedPrecondition, "NO_MLFLOW_SERVER", message).remedy("check MLFLOW_TRACKING_URI")
    }
}

#[async_trait]
impl Place for Artifacts {
    fn origin(&self) -> &str {
        &self.shown
    }

    fn key(&self) -> String {
        format!("{}{ROOT}/{}", self.server, self.path)
    }

    async fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut open = vec![String::new()];
        for _ in 0..MAX_DEPTH {
            let listed = stream::iter(open.drain(..).map(|path| self.directory(path))).buffered(LISTED_AT_ONCE);
            let listed: Vec<_> = listed.try_collect().await?;
            for (files, directories) in listed {
                entries.extend(files);
                open.extend(directories);
            }
            if open.is_empty() || entries.len() + open.len() > MAX_FILES {
                break;
            }
        }
        // A single file lists itself.
        let own = self.path.rsplit('/').next().unwrap_or_default();
        if entries.is_empty() || entries.len() == 1 && entries[0].name == own && !own.is_empty() && own.contains('.') {
            let what = if entries.is_empty() { "there is nothing there" } else { "it is a file, not a model directory" };
            return Err(
                Error::new(Kind::NotFound, "MODEL_NOT_FOUND", format!("'{}': {what}", self.shown)).remedy("check the path")
            );
        }
        Ok(entries)
    }

    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part> {
        let url = self.url(ROOT, name)?;
        match self.get(&self.client, url.as_str(), &[], name, range.as_ref()).await {
            // A server of 3.18 may hand nothing through and sign URLs instead.
            Err(error) if error.code() == "TRACKING_REFUSED" || error.code() == "TRACKING_PERMISSION" => {
                self.presigned(name, range.as_ref()).await.map_err(|_| error)
            }
            part => part,
        }
    }

    async fn read_entry(&self, entry: &Entry, range: Option<Range<u64>>) -> Result<Part> {
        if entry.size >= LARGE && self.abilities().await.signs_downloads {
            match self.presigned(&entry.name, range.as_ref()).await {
                Err(error) => tracing::debug!(file = entry.name, %error, "the server hands the file through"),
                part => return part,
            }
        }
        self.read(&entry.name, range).await
    }

    async fn write(&self, name: &str, file: &Path) -> Result<()> {
        self.upload(name, file).await
    }
}

/// What a refusal says.
async fn body(response: Response) -> Option<Value> {
    const SHORT: u64 = 1 << 16;
    if response.content_length().is_none_or(|length| length > SHORT) {
        return None;
    }
    serde_json::from_slice(&response.bytes().await.ok()?).ok()
}

/// The address of the tracking server, on another host.
fn on_host(tracking: &str, host: &str) -> Option<String> {
    let tracking = Url::parse(tracking).ok()?;
    let host = host.rsplit('@').next()?;
    let url = Url::parse(&format!("{}://{host}{}", tracking.scheme(), tracking.path())).ok()?;
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn same_host(a: &str, b: &str) -> bool {
    match (Url::parse(a), Url::parse(b)) {
        (Ok(a), Ok(b)) => a.origin() == b.origin(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lead_to_their_server() {
        let tracking = Some("http://tracking:5000/prefix");
        for (uri, server, path) in [
            ("mlflow-artifacts:/1/run/artifacts/model", "http://tracking:5000/prefix", "1/run/artifacts/model"),
            ("mlflow-artifacts:///1/x/", "http://tracking:5000/prefix", "1/x"),
            ("mlflow-artifacts://other:99/1/x", "http://other:99/prefix", "1/x"),
            ("http://h/api/2.0/mlflow-artifacts/artifacts/1/x", "http://h", "1/x"),
            ("https://u:p@h/m/api/2.0/mlflow-artifacts/artifacts/1/x", "https://h/m", "1/x"),
        ] {
            assert!(Artifacts::serves(uri));
            let place = Artifacts::open(uri, tracking).unwrap();
            assert_eq!((place.server.as_str(), place.path.as_str()), (server, path), "{uri}");
        }
        let url = Artifacts::open("mlflow-artifacts:/1/a b", tracking).unwrap().url(ROOT, "c d/100%#?").unwrap();
        assert_eq!(url.as_str(), "http://tracking:5000/prefix/api/2.0/mlflow-artifacts/artifacts/1/a%20b/c%20d/100%25%23%3F");
        for (uri, tracking, code) in [
            ("mlflow-artifacts:/1/x", None, "NO_TRACKING_SERVER"),
            ("mlflow-artifacts://5000/x", tracking, "MODEL_URI_INVALID"),
            ("mlflow-artifacts:/1/../x", tracking, "MODEL_URI_INVALID"),
        ] {
            assert_eq!(Artifacts::open(uri, tracking).err().unwrap().code(), code, "{uri}");
        }
        assert!(!Artifacts::serves("https://host/models/x") && !Artifacts::serves("s3://b/api/2.0/mlflow-artifacts/artifacts"));
    }
}
