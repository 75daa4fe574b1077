//! Between [`Error`] and a gRPC status. The error travels whole, as `mlflight.v1.Error` in the status details
//! (`grpc-status-details-bin`, packed in a `google.rpc.Status` as every gRPC library expects it); nothing is ever read from texts.

use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};

use crate::{
    error::{Error, Kind},
    request::proto,
};

/// Longer texts break HTTP/2 header limits of some clients (8 KiB, after base64).
const MESSAGE: usize = 512;
const TRACEBACK: usize = 4096;

const TYPE_URL: &str = "type.googleapis.com/mlflight.v1.Error";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// The status of an error.
pub fn to_status(error: &Error) -> Status {
    let wire = proto::Error {
        kind: error.kind().mapping().name.into(),
        code: head(error.code(), 64),
        message: head(error.message(), MESSAGE),
        column: error.column_name().map(|text| head(text, 128)),
        expected: error.expected_text().map(|text| head(text, 256)),
        found: error.found_text().map(|text| head(text, 256)),
        remedy: error.remedy_text().map(|text| head(text, 256)),
        row: error.row_number(),
        traceback: error.traceback_text().map(|text| tail(text, TRACEBACK)),
    };
    let code = error.kind().mapping().grpc;
    let details = vec![Any { type_url: TYPE_URL.into(), value: wire.encode_to_vec() }];
    let status = RpcStatus { code, message: String::new(), details };
    Status::with_details(Code::from_i32(code), head(&error.to_string(), MESSAGE), Bytes::from(status.encode_to_vec()))
}

/// The error a status carries, where it came from mlflight.
pub fn sent_error(status: &Status) -> Option<Error> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let any = details.into_iter().find(|any| any.type_url == TYPE_URL)?;
    let wire = proto::Error::decode(any.value.as_slice()).ok()?;
    let mut error = Error::new(Kind::from_name(&wire.kind).unwrap_or(Kind::Internal), wire.code, wire.message);
    if let Some(column) = wire.column {
        error = error.column(column);
    }
    if let Some(expected) = wire.expected {
        error = error.expected(expected);
    }
    if let Some(found) = wire.found {
        error = error.found(found);
    }
    if let Some(remedy) = wire.remedy {
        error = error.remedy(remedy);
    }
    if let Some(row) = wire.row {
        error = error.row(row);
    }
    Some(match wire.traceback {
        Some(text) => error.traceback(text),
        None => error,
    })
}

/// The error of any status: the one mlflight sent, else one of the kind its code stands for.
pub fn from_status(status: Status) -> Error {
    if let Some(error) = sent_error(&status) {
        return error;
    }
    let kind = match status.code() {
        Code::Ok | Code::Internal | Code::DataLoss | Code::Unknown => Kind::Internal,
        Code::Cancelled | Code::Aborted => Kind::Cancelled,
        Code::InvalidArgument | Code::OutOfRange => Kind::InvalidArgument,
        Code::DeadlineExceeded => Kind::DeadlineExceeded,
        Code::NotFound => Kind::NotFound,
        Code::AlreadyExists => Kind::AlreadyExists,
        Code::PermissionDenied => Kind::PermissionDenied,
        Code::ResourceExhausted => Kind::ResourceExhausted,
        Code::FailedPrecondition => Kind::FailedPrecondition,
        Code::Unimplemented => Kind::Unimplemented,
        Code::Unavailable => Kind::Unavailable,
        Code::Unauthenticated => Kind::Unauthenticated,
    };
    Error::new(kind, "GRPC", status.message().to_owned()).source(status)
}

/// The first bytes of a text, cut between characters.
fn head(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(limit - 3)])
}

/// The last bytes of a text: a traceback says at its end what went wrong.
fn tail(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.into();
    }
    format!("…{}", &text[text.ceil_char_boundary(text.len() - (limit - 3))..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_back_whole() {
        for kind in Kind::ALL {
            let error = Error::new(kind, "SOME_CODE", "it went wrong")
                .column("größe")
                .expected("double")
                .found("string")
                .remedy("cast it")
                .row(41)
                .traceback("File \"model.py\", line 3\nValueError: no");
            let back = from_status(to_status(&error));
            assert_eq!(format!("{back:?}"), format!("{error:?}"));
            assert_eq!(to_status(&error).code() as i32, kind.mapping().grpc);
        }
    }

    #[test]
    fn long_texts_fit_the_headers() {
        let error =
            Error::new(Kind::ModelFailed, "PYTHON", "ü".repeat(10_000)).traceback(format!("{}the end", "é".repeat(10_000)));
        let status = to_status(&error);
        assert!(status.details().len() * 4 / 3 + 3 * status.message().len() < 8 * 1024);
        let back = from_status(status);
        let traceback = back.traceback_text().unwrap();
        assert!(traceback.len() <= TRACEBACK && traceback.ends_with("the end"));
        assert!(back.message().len() <= MESSAGE && back.message().starts_with('ü'));
    }

    #[test]
    fn a_strange_status_keeps_its_kind() {
        assert_eq!(from_status(Status::unavailable("gone")).kind(), Kind::Unavailable);
        assert_eq!(from_status(Status::with_details(Code::NotFound, "no", Bytes::from_static(b"\xff"))).kind(), Kind::NotFound);
        assert!(sent_error(&Status::unavailable("gone")).is_none());
    }
}
