//! What an object store's failure means to the user. Its own words are not shown: they may hold signed URLs.

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::{Error, Kind};

/// The codes by which stores say that credentials are of no more use.
const EXPIRED: [&str; 5] = ["ExpiredToken", "TokenRefreshRequired", "InvalidToken", "ExpiredTokenException", "RequestExpired"];

/// Where clouds hand out the credentials of their own machines.
const METADATA: [&str; 4] = ["169.254.169.254", "169.254.170.2", "metadata.google.internal", "metadata/identity"];

/// The error for a failed operation on an object, or on the whole place where `name` is empty.
pub(super) fn translate(origin: &str, name: &str, error: &object_store::Error) -> Error {
    let place = if name.is_empty() { origin.to_owned() } else { format!("{origin}/{name}") };
    let text = error.to_string();
    let code = between(&text, "<Code>", "</Code>").or_else(|| between(&text, "\"code\": \"", "\""));
    let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)).and_then(|code| code.parse::<u16>().ok());
    let says = match (status, code) {
        (_, Some(code)) => format!(" ({code})"),
        (Some(status), None) => format!(" (status {status})"),
        (None, None) => String::new(),
    };
    let make = |kind, name: &'static str, what: &str| Error::new(kind, name, format!("'{place}': {what}{says}"));
    let credentials = "check the credentials in the environment; docs/stores.md lists what is read";
    if METADATA.iter().any(|address| text.contains(address)) {
        return make(Kind::Unauthenticated, "NO_CREDENTIALS", "no credentials were found, and this machine hands out none")
            .remedy(credentials);
    }
    if code.is_some_and(|code| EXPIRED.contains(&code)) {
        return make(Kind::Unauthenticated, "CREDENTIALS_EXPIRED", "the credentials have expired").remedy("get new credentials");
    }
    match (error, code, status) {
        (_, Some("NoSuchBucket" | "ContainerNotFound"), _) => {
            make(Kind::NotFound, "NO_SUCH_BUCKET", "there is no such bucket").remedy("check the URI and the endpoint")
        }
        (object_store::Error::NotFound { .. }, ..) | (_, _, Some(404)) => {
            make(Kind::NotFound, "NO_SUCH_OBJECT", "there is no such object")
        }
        (object_store::Error::Unauthenticated { .. }, ..) | (_, _, Some(401)) => {
            make(Kind::Unauthenticated, "STORE_CREDENTIALS", "the store does not accept the credentials").remedy(credentials)
        }
        (object_store::Error::PermissionDenied { .. }, ..) | (_, _, Some(403)) => {
            make(Kind::PermissionDenied, "STORE_PERMISSION", "the store refuses access").remedy(credentials)
        }
        (object_store::Error::Precondition { .. } | object_store::Error::NotModified { .. }, ..) => {
            make(Kind::FailedPrecondition, "MODEL_CHANGED", "it changed while it was read").remedy("try again")
        }
        (object_store::Error::InvalidPath { .. }, ..) => {
            make(Kind::InvalidModel, "NAME_REFUSED", "the listing has a name that no file can have")
        }
        (_, _, Some(429)) => make(Kind::Unavailable, "THROTTLED", "the store asks for fewer requests").remedy("try again later"),
        (_, _, Some(status)) if status >= 500 => {
            make(Kind::Unavailable, "STORE_FAILED", "the store failed").remedy("try again later")
        }
        (_, _, Some(_)) => make(Kind::FailedPrecondition, "STORE_REFUSED", "the store refuses the request"),
        _ => disconnected(&place, error),
    }
}

/// The error for a store that does not answer, or that cannot be asked.
fn disconnected(place: &str, error: &object_store::Error) -> Error {
    let mut cause: &dyn std::error::Error = error;
    let mut http = None;
    while let Some(deeper) = cause.source() {
        cause = deeper;
        http = http.or_else(|| cause.downcast_ref::<HttpError>().map(HttpError::kind));
    }
    let (code, what) = match http {
        Some(HttpErrorKind::Connect) => ("CONNECT", "the store cannot be reached"),
        Some(HttpErrorKind::Timeout) => ("CONNECTION_LOST", "the store did not answer in time"),
        Some(_) => ("CONNECTION_LOST", "the connection to the store broke off"),
        None => {
            // What the library says before it asks anybody, such as a region that is missing, has no secret in it but may name the URL.
            let cause = crate::http::redacted(&cause.to_string());
            let message = format!("'{place}': the store cannot be used: {cause}");
            return Error::new(Kind::FailedPrecondition, "STORE_SETTINGS", message);
        }
    };
    let message = format!("'{place}': {what}: {}", plain(cause));
    Error::new(Kind::Unavailable, code, message).remedy("check the address and the network, then try again")
}

/// A low-level cause, without addresses that may be signed.
fn plain(cause: &dyn std::error::Error) -> String {
    let text = cause.to_string();
    if text.contains("://") { "the request failed".to_owned() } else { text }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let found = text.split_once(start)?.1.split_once(end)?.0;
    found.chars().all(|c| c.is_ascii_alphanumeric() || c == '.').then_some(found)
}
