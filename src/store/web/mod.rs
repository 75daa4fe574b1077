//! Files of a web server: a directory that it lists by a page of links or by WebDAV, or one archive.

mod index;

use std::{ops::Range, path::Path};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use url::Url;

use super::{
    archive,
    place::{Entry, Part, Place},
    walk,
};
use crate::{
    error::{Error, Kind, Result},
    http::{self, Client, ClientOptions, Method, Response, StatusCode, header},
};

/// Files that are asked about side by side.
const AT_ONCE: usize = 16;

/// A web server has no more directories below one URL.
const MAX_DIRECTORIES: usize = 10_000;

/// Files below one URL.
#[derive(Debug)]
pub(super) struct Web {
    client: Client,
    url: Url,
    origin: String,
}

impl Web {
    /// The files of a URL. Its user and password are shown to the server alone.
    pub(super) fn open(uri: &str) -> Result<Self> {
        let invalid = |why: &str| {
            let message = format!("{why}: '{}'", http::redacted(uri));
            Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", message)
        };
        let mut url = Url::parse(uri).map_err(|error| invalid("not a URL").source(error))?;
        url.set_fragment(None);
        if !archive::named(url.path()) {
            url.set_query(None);
            if !url.path().ends_with('/') {
                let path = format!("{}/", url.path());
                url.set_path(&path);
            }
        }
        Ok(Self { client: Client::new(ClientOptions::default())?, origin: http::redacted(uri.trim_end_matches('/')), url })
    }

    fn at(&self, name: &str) -> Result<Url> {
        let mut url = self.url.clone();
        if self.archive() || name.is_empty() {
            return Ok(url);
        }
        let unfit = || Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", format!("'{}' has no files", self.origin));
        url.path_segments_mut().map_err(|()| unfit())?.pop_if_empty().extend(name.split('/'));
        Ok(url)
    }

    fn shown(&self, name: &str) -> String {
        if name.is_empty() { self.origin.clone() } else { format!("{}/{name}", self.origin) }
    }

    /// The size and version of a file.
    async fn head(&self, name: &str) -> Result<Entry> {
        let url = self.at(name)?;
        let response = self.client.open(self.client.request(Method::HEAD, url.as_str())).await?;
        if !response.status().is_success() {
            return Err(http::refused(response.status(), &self.shown(name)));
        }
        // `content_length()` of the answer is that of its body, which is empty here.
        let size = text(&response, header::CONTENT_LENGTH).and_then(|size| size.parse().ok()).ok_or_else(|| {
            let message = format!("'{}': the server does not tell the size of the file", self.shown(name));
            Error::new(Kind::FailedPrecondition, "NO_SIZE", message).remedy("serve the files by a static file server")
        })?;
        let version = [header::ETAG, header::LAST_MODIFIED].into_iter().find_map(|name| text(&response, name));
        let last = || url.path_segments().and_then(|mut parts| parts.next_back()).map(index::decoded).unwrap_or_default();
        Ok(Entry { name: if name.is_empty() { last() } else { name.to_owned() }, size, version })
    }

    /// Names of the files and directories below a directory, which end in `/`.
    async fn children(&self, directory: &str) -> Result<Vec<String>> {
        let url = self.at(directory)?;
        let mut url = url;
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let page = self.client.send(self.client.request(Method::GET, url.as_str())).await?;
        if page.status.is_success()
            && let Some(names) = index::links(&url, &page.body)
        {
            return Ok(names);
        }
        let propfind = Method::from_bytes(b"PROPFIND").unwrap_or(Method::GET);
        let asked = self.client.request(propfind, url.as_str()).header("depth", "1");
        let listed = self.client.send(asked).await?;
        if listed.status == StatusCode::MULTI_STATUS
            && let Some(names) = index::members(&url, &listed.body)
        {
            return Ok(names);
        }
        if !page.status.is_success() {
            return Err(http::refused(page.status, &self.shown(directory)));
        }
        let message = format!("'{}': the server does not list the directory", self.shown(directory));
        Err(Error::new(Kind::FailedPrecondition, "NO_LISTING", message)
            .remedy("turn the server's index pages or WebDAV on, or name an archive (.tar.gz, .zip, .mlflight)"))
    }
}

fn text(response: &Response, name: header::HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

#[async_trait]
impl Place for Web {
    fn origin(&self) -> &str {
        &self.origin
    }

    fn key(&self) -> String {
        self.url.to_string()
    }

    fn archive(&self) -> bool {
        archive::named(self.url.path())
    }

    async fn list(&self) -> Result<Vec<Entry>> {
        if self.archive() {
            return Ok(vec![self.head("").await?]);
        }
        let mut files = Vec::new();
        let mut open = vec![String::new()];
        let mut seen = 0;
        while let Some(directory) = open.pop() {
            seen += 1;
            let depth = directory.matches('/').count();
            if depth > walk::MAX_DEPTH || seen > MAX_DIRECTORIES || files.len() > walk::MAX_FILES {
                let message = format!("'{}': too many files, or directories nested too deep", self.origin);
                return Err(Error::new(Kind::InvalidModel, "TOO_MANY_FILES", message));
            }
            for name in self.children(&directory).await? {
                let path = format!("{directory}{name}");
                if name.ends_with('/') { open.push(path) } else { files.push(path) }
            }
        }
        let mut entries = Vec::with_capacity(files.len());
        for some in files.chunks(AT_ONCE) {
            entries.extend(futures::future::try_join_all(some.iter().map(|name| self.head(name))).await?);
        }
        Ok(entries)
    }

    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part> {
        self.read_entry(&Entry { name: name.to_owned(), size: 0, version: None }, range).await
    }

    async fn read_entry(&self, entry: &Entry, range: Option<Range<u64>>) -> Result<Part> {
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(futures::stream::empty().boxed());
        }
        let mut request = self.client.request(Method::GET, self.at(&entry.name)?.as_str());
        if let Some(range) = &range {
            request = request.header(header::RANGE, format!("bytes={}-{}", range.start, range.end - 1));
        }
        // A weak tag does not tell whether the bytes are the same.
        if let Some(tag) = entry.version.as_ref().filter(|tag| tag.starts_with('"')) {
            request = request.header(header::IF_MATCH, tag);
        }
        let response = self.client.open(request).await?;
        let shown = self.shown(if self.archive() { "" } else { &entry.name });
        match (response.status(), range) {
            (StatusCode::OK, Some(range)) if range.start > 0 => Err(http::refused(StatusCode::RANGE_NOT_SATISFIABLE, &shown)),
            (StatusCode::OK | StatusCode::PARTIAL_CONTENT, _) => Ok(response.bytes_stream().map_err(http::unreachable).boxed()),
            (status, _) => Err(http::refused(status, &shown)),
        }
    }

    async fn find(&self, name: &str) -> Result<Option<Entry>> {
        match self.head(name).await {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    async fn write(&self, name: &str, _file: &Path) -> Result<()> {
        let message = format!("'{}': files are not stored on web servers", self.shown(name));
        Err(Error::new(Kind::Unimplemented, "READ_ONLY_STORE", message).remedy("name an object store"))
    }
}
