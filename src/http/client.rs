//! A client of one web service.

use std::{path::PathBuf, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::{Method, StatusCode, header};
use serde_json::Value;

use super::redacted;
use crate::{
    config::Secret,
    error::{Error, Kind, Result},
};

/// How often a request is sent at most.
const ATTEMPTS: usize = 5;

/// The first pause before a request is sent again; each further one is twice as long, give or take.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// No pause is longer than this, whatever the service asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Answers are read whole up to this many bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Who a client says it is.
#[derive(Debug, Default)]
pub enum Auth {
    /// Nobody.
    #[default]
    None,
    /// A user with a password.
    Basic(String, Secret),
    /// Whoever holds the token.
    Bearer(Secret),
}

/// How a service is reached.
#[derive(Debug, Default)]
pub struct ClientOptions {
    /// Who asks.
    pub auth: Auth,
    /// Whether any certificate of the service will do.
    pub insecure: bool,
    /// A PEM file of certificates that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the client's own certificate and key.
    pub identity_file: Option<PathBuf>,
}

/// A client of one web service. Requests are sent again when the connection breaks and when the service answers 429, 502, 503 or 504.
#[derive(Debug)]
pub struct Client {
    inner: reqwest::Client,
    auth: Auth,
}

/// An answer that was read whole.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl Client {
    /// A client that reaches its service in this way.
    pub fn new(options: ClientOptions) -> Result<Self> {
        let ClientOptions { auth, insecure, ca_file, identity_file } = options;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("mlflight/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(20))
            .read_timeout(Duration::from_secs(60))
            .danger_accept_invalid_certs(insecure);
        let invalid = |path: &PathBuf, error: reqwest::Error| {
            let message = format!("'{}' holds no certificate in PEM that can be used", path.display());
            Error::new(Kind::InvalidArgument, "CERTIFICATE", message).source(error)
        };
        let read = |path: &PathBuf| std::fs::read(path).map_err(|error| Error::io(path, error));
        if let Some(path) = &ca_file {
            for certificate in reqwest::Certificate::from_pem_bundle(&read(path)?).map_err(|error| invalid(path, error))? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        if let Some(path) = &identity_file {
            builder = builder.identity(reqwest::Identity::from_pem(&read(path)?).map_err(|error| invalid(path, error))?);
        }
        let inner = builder
            .build()
            .map_err(|error| Error::new(Kind::FailedPrecondition, "HTTP_CLIENT", "no HTTP client could be made").source(error))?;
        Ok(Self { inner, auth })
    }

    /// A request to be filled and handed to [`Client::send`] or [`Client::open`].
    pub fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        let request = self.inner.request(method, url);
        match &self.auth {
            Auth::None => request,
            Auth::Basic(user, password) => request.basic_auth(user, Some(password.expose())),
            Auth::Bearer(token) => request.bearer_auth(token.expose()),
        }
    }

    /// Sends a request and reads the whole answer, whatever its status. Answers of more than 64 MiB are refused.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply> {
        let mut tries = Tries::new(request)?;
        loop {
            let outcome = async {
                let response = tries.attempt(&self.inner).await?;
                let (status, asked) = (response.status(), retry_after(&response));
                Ok((status, asked, whole(response).await?))
            };
            match outcome.await {
                Ok((status, asked, _)) if tries.again(status, asked).await => {}
                Ok((status, _, body)) => return Ok(Reply { status, body }),
                Err(error) if tries.after(&error).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a request and hands its answer over as soon as its head is there, whatever its status.
    pub async fn open(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        let mut tries = Tries::new(request)?;
        loop {
            match tries.attempt(&self.inner).await {
                Ok(response) if tries.again(response.status(), retry_after(&response)).await => {}
                Err(error) if tries.after(&error).await => {}
                outcome => return outcome,
            }
        }
    }
}

/// A request with what is left of its attempts.
struct Tries {
    request: reqwest::Request,
    pauses: backon::ExponentialBackoff,
}

impl Tries {
    fn new(request: reqwest::RequestBuilder) -> Result<Self> {
        let request = request.build().map_err(|error| {
            Error::new(Kind::InvalidArgument, "URL_INVALID", "no request can be made").source(error.without_url())
        })?;
        let pauses = ExponentialBuilder::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(ATTEMPTS - 1)
            .with_jitter()
            .build();
        Ok(Self { request, pauses })
    }

    /// Sends the request once.
    async fn attempt(&mut self, client: &reqwest::Client) -> Result<reqwest::Response> {
        let request = match self.request.try_clone() {
            Some(request) => request,
            // A body that streams can be sent once.
            None => {
                self.pauses = ExponentialBuilder::new().with_max_times(0).build();
                let spent = reqwest::Request::new(self.request.method().clone(), self.request.url().clone());
                std::mem::replace(&mut self.request, spent)
            }
        };
        client.execute(request).await.map_err(unreachable)
    }

    /// Whether an answer of this status is to be asked for again; waits for as long as the service says, or ever longer.
    async fn again(&mut self, status: StatusCode, asked: Option<Duration>) -> bool {
        let idempotent = self.request.method().is_idempotent();
        let passing = match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => idempotent,
            _ => false,
        };
        passing && self.wait(asked).await
    }

    /// Whether to try again after a connection that failed. What may have been done by the service is not asked for twice.
    async fn after(&mut self, error: &Error) -> bool {
        let passing = match error.code() {
            "CONNECT" => true,
            "CONNECTION_LOST" => self.request.method().is_idempotent(),
            _ => false,
        };
        passing && self.wait(None).await
    }

    async fn wait(&mut self, asked: Option<Duration>) -> bool {
        let Some(pause) = self.pauses.next() else { return false };
        tokio::time::sleep(asked.map_or(pause, |asked| asked.min(LONGEST_PAUSE).max(pause))).await;
        true
    }
}

/// How long the service asks to wait.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

async fn whole(mut response: reqwest::Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let url = redacted(response.url().as_str());
    while let Some(part) = response.chunk().await.map_err(unreachable)? {
        if body.len() + part.len() > MAX_ANSWER {
            let message = format!("the answer of {url} is larger than {MAX_ANSWER} bytes");
            return Err(Error::new(Kind::ResourceExhausted, "ANSWER_TOO_LARGE", message));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// The error for a service that does not answer, or whose answer breaks off.
pub fn unreachable(error: reqwest::Error) -> Error {
    let url = error.url().map_or_else(String::new, |url| format!(" {}", redacted(url.as_str())));
    let (code, what) = match () {
        () if error.is_builder() => ("URL_INVALID", "cannot be asked"),
        () if error.is_connect() => ("CONNECT", "cannot be reached"),
        () if error.is_timeout() => ("CONNECTION_LOST", "did not answer in time"),
        () => ("CONNECTION_LOST", "broke off"),
    };
    let kind = if error.is_builder() { Kind::InvalidArgument } else { Kind::Unavailable };
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let message = format!("the service{url} {what}: {cause}");
    Error::new(kind, code, message).remedy("check the address and the network, then try again").source(error)
}
