//! What the status of an answer means to the user.

use reqwest::StatusCode;

use crate::error::{Error, Kind};

/// The error for an answer of this status, to a request for `what`, which names its URI without secrets.
pub fn refused(status: StatusCode, what: &str) -> Error {
    let number = status.as_u16();
    let make = |kind, code: &'static str, says: &str| Error::new(kind, code, format!("'{what}': {says} (status {number})"));
    match number {
        401 => make(Kind::Unauthenticated, "STORE_CREDENTIALS", "the server wants credentials, or others than these")
            .remedy("check the credentials; they may have expired"),
        403 => make(Kind::PermissionDenied, "STORE_PERMISSION", "the server refuses access").remedy("check the credentials"),
        404 | 410 => make(Kind::NotFound, "NO_SUCH_OBJECT", "there is nothing there").remedy("check the URI"),
        412 => make(Kind::FailedPrecondition, "MODEL_CHANGED", "it changed while it was read").remedy("try again"),
        416 => make(Kind::FailedPrecondition, "NO_RANGES", "the server does not give this part of the file"),
        429 => make(Kind::Unavailable, "THROTTLED", "the server asks for fewer requests").remedy("try again later"),
        500.. => make(Kind::Unavailable, "STORE_FAILED", "the server failed").remedy("try again later"),
        _ => make(Kind::FailedPrecondition, "STORE_REFUSED", "the server refuses the request"),
    }
}
