//! The HTTP client of object stores: it waits as long as a service asks it to, and not forever for an answer.

use std::time::Duration;

use async_trait::async_trait;
use object_store::{
    ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector},
};

/// How long the head of an answer may take; a part of an upload is sent within it too.
const ANSWER: Duration = Duration::from_secs(120);

/// No pause is longer than this, whatever the service asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Makes clients that wait as long as they are asked to.
#[derive(Debug)]
pub(super) struct Patient;

impl HttpConnector for Patient {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Waiting(ReqwestConnector::default().connect(options)?)))
    }
}

#[derive(Debug)]
struct Waiting(HttpClient);

#[async_trait]
impl HttpService for Waiting {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = tokio::time::timeout(ANSWER, self.0.execute(request)).await;
        let answer = answer.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))??;
        // The store sends the request again by itself; it only does not know how long it was asked to wait.
        if matches!(answer.status().as_u16(), 429 | 503)
            && let Some(asked) = answer.headers().get("retry-after").and_then(|value| value.to_str().ok())
            && let Ok(seconds) = asked.trim().parse()
        {
            tokio::time::sleep(Duration::from_secs(seconds).min(LONGEST_PAUSE)).await;
        }
        Ok(answer)
    }
}
