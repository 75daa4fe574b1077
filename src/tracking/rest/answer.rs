//! Answers of an MLflow server: JSON, or a refusal.

use serde_json::Value;

use crate::{
    error::{Error, Kind, Result},
    http::{Reply, StatusCode},
};

/// No message of a server is shown at more length.
const SHOWN: usize = 500;

/// Why an API call gave no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The server knows no such record.
    Absent(Error),
    /// The server knows no such call: it is older than the call, or no MLflow server.
    NoSuchCall(Error),
    /// The record is there already.
    Exists(Error),
    /// Anything else, with the server's word for it.
    Other(Error),
}

impl Refusal {
    /// The error as such.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Absent(error) | Self::NoSuchCall(error) | Self::Exists(error) | Self::Other(error) => error,
        }
    }

    /// A better error where the record is not there.
    pub(super) fn or_absent(self, absent: impl FnOnce() -> Error) -> Error {
        match self {
            Self::Absent(error) => absent().source(error),
            other => other.into_error(),
        }
    }
}

/// Reads the answer to the call `path` of the server at `address`.
pub(super) fn read(address: &str, path: &str, reply: Result<Reply>) -> std::result::Result<Value, Refusal> {
    let reply = reply.map_err(|error| Refusal::Other(error.context(format!("MLflow server {address}, {path}"))))?;
    let json = reply.json();
    if reply.status.is_success() {
        return json
            .filter(Value::is_object)
            .ok_or_else(|| Refusal::Other(no_server(address, path, "an answer that is no JSON")));
    }
    let text = |key: &str| json.as_ref().and_then(|json| json.get(key)).and_then(Value::as_str);
    let word = text("error_code").unwrap_or_default();
    let said: String = text("message").unwrap_or_default().chars().take(SHOWN).collect();
    let refused = |kind, code: &'static str| {
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Error::new(kind, code, format!("MLflow server {address} answers {} to {path}{said}", reply.status.as_u16()))
    };
    Err(match (reply.status, word) {
        (StatusCode::UNAUTHORIZED, _) => Refusal::Other(refused(Kind::Unauthenticated, "TRACKING_UNAUTHENTICATED").remedy(
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; a token may have expired",
        )),
        (StatusCode::FORBIDDEN, _) => Refusal::Other(
            refused(Kind::PermissionDenied, "TRACKING_PERMISSION").remedy("ask the owner of the server for the right to do this"),
        ),
        (_, "RESOURCE_DOES_NOT_EXIST") => Refusal::Absent(refused(Kind::NotFound, "TRACKING_NOT_FOUND")),
        (_, "RESOURCE_ALREADY_EXISTS") => Refusal::Exists(refused(Kind::AlreadyExists, "TRACKING_EXISTS")),
        (StatusCode::NOT_FOUND, "" | "ENDPOINT_NOT_FOUND" | "NOT_FOUND") | (StatusCode::METHOD_NOT_ALLOWED, _) => {
            Refusal::NoSuchCall(no_server(address, path, &reply.status.as_u16().to_string()))
        }
        (StatusCode::NOT_FOUND, _) => Refusal::Absent(refused(Kind::NotFound, "TRACKING_NOT_FOUND")),
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            Refusal::Other(refused(Kind::ResourceExhausted, "TRACKING_BUSY").remedy("try again later"))
        }
        (status, _) if status.is_server_error() => {
            Refusal::Other(refused(Kind::Unavailable, "TRACKING_FAILED").remedy("see the log of the server, or try again later"))
        }
        (status, "") if !status.is_client_error() => Refusal::NoSuchCall(no_server(address, path, status.as_str())),
        _ => Refusal::Other(refused(Kind::InvalidArgument, "TRACKING_REFUSED")),
    })
}

fn no_server(address: &str, path: &str, found: &str) -> Error {
    Error::new(Kind::FailedPrecondition, "NO_MLFLOW_SERVER", format!("{address} does not answer {path} as an MLflow server does"))
        .found(found)
        .remedy("check MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI: they name the address below which /api/2.0/mlflow lies")
}

/// A field as text; an answer without it is none of an MLflow server's.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A field as text, empty as if it were not there.
pub(super) fn filled(value: &Value, key: &str) -> Option<String> {
    text(value, key).filter(|text| !text.is_empty())
}

/// A field as a number, which servers write as text too.
pub(super) fn number(value: &Value, key: &str) -> i64 {
    text(value, key).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The objects of a list; a list that is empty is often left out.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// Keys and values of a list of `{key, value}`.
pub(super) fn pairs(value: &Value, key: &str) -> Vec<(String, String)> {
    list(value, key).filter_map(|pair| Some((text(pair, "key")?, text(pair, "value").unwrap_or_default()))).collect()
}

/// A list of `{key, value}`.
pub(super) fn from_pairs(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(key, value)| serde_json::json!({"key": key, "value": value})).collect()
}

/// The error for an answer that lacks what every MLflow server puts into it.
pub(super) fn lacking(address: &str, path: &str, what: &str) -> Error {
    no_server(address, path, &format!("an answer without {what}"))
}
