//! The one error of mlflight: a kind that every front end maps in the same way, and the facts a user needs to mend the cause.

use std::{borrow::Cow, fmt};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a caller would act on it. One table, [`Kind::mapping`], gives its form in every front end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The caller's request or data is wrong: a column is missing, a type cannot be converted, a flag has no such value.
    InvalidArgument,
    /// The model's files are broken or say things that contradict each other.
    InvalidModel,
    /// A model, file or environment that was named does not exist.
    NotFound,
    /// The output exists and may not be overwritten.
    AlreadyExists,
    /// The machine lacks what the request needs: a Python, a library, a matching version.
    FailedPrecondition,
    /// The service was not started with the right to do this.
    PermissionDenied,
    /// No token, or a wrong one.
    Unauthenticated,
    /// A bound on memory, message size or concurrency was reached.
    ResourceExhausted,
    /// A batch was not scored in time.
    DeadlineExceeded,
    /// The caller went away or asked to stop.
    Cancelled,
    /// The service cannot be reached or was lost; trying again may help.
    Unavailable,
    /// Understood, and not supported by this version.
    Unimplemented,
    /// The model's own (Python) code failed; `traceback` says where.
    ModelFailed,
    /// A bug in mlflight.
    Internal,
}

/// The form of a [`Kind`] in each front end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Its name on the wire.
    pub name: &'static str,
    /// Code of `google.rpc.Code`.
    pub grpc: i32,
    /// HTTP status.
    pub http: u16,
    /// MLflow's `error_code` in REST answers and `MlflowException`.
    pub mlflow: &'static str,
    /// Exit code of the command line.
    pub exit: u8,
}

impl Kind {
    /// Every kind, in the order of the declaration.
    pub const ALL: [Self; 14] = [
        Self::InvalidArgument,
        Self::InvalidModel,
        Self::NotFound,
        Self::AlreadyExists,
        Self::FailedPrecondition,
        Self::PermissionDenied,
        Self::Unauthenticated,
        Self::ResourceExhausted,
        Self::DeadlineExceeded,
        Self::Cancelled,
        Self::Unavailable,
        Self::Unimplemented,
        Self::ModelFailed,
        Self::Internal,
    ];

    /// The one table of how a kind looks in each front end.
    pub const fn mapping(self) -> Mapping {
        const fn row(name: &'static str, grpc: i32, http: u16, mlflow: &'static str, exit: u8) -> Mapping {
            Mapping { name, grpc, http, mlflow, exit }
        }
        match self {
            Self::InvalidArgument => row("INVALID_ARGUMENT", 3, 400, "INVALID_PARAMETER_VALUE", 2),
            Self::InvalidModel => row("INVALID_MODEL", 9, 400, "INVALID_PARAMETER_VALUE", 3),
            Self::NotFound => row("NOT_FOUND", 5, 404, "RESOURCE_DOES_NOT_EXIST", 4),
            Self::AlreadyExists => row("ALREADY_EXISTS", 6, 409, "RESOURCE_ALREADY_EXISTS", 5),
            Self::FailedPrecondition => row("FAILED_PRECONDITION", 9, 400, "INVALID_STATE", 6),
            Self::PermissionDenied => row("PERMISSION_DENIED", 7, 403, "PERMISSION_DENIED", 7),
            Self::Unauthenticated => row("UNAUTHENTICATED", 16, 401, "UNAUTHENTICATED", 7),
            Self::ResourceExhausted => row("RESOURCE_EXHAUSTED", 8, 429, "RESOURCE_EXHAUSTED", 8),
            Self::DeadlineExceeded => row("DEADLINE_EXCEEDED", 4, 504, "DEADLINE_EXCEEDED", 9),
            Self::Cancelled => row("CANCELLED", 1, 499, "CANCELLED", 130),
            Self::Unavailable => row("UNAVAILABLE", 14, 503, "TEMPORARILY_UNAVAILABLE", 10),
            Self::Unimplemented => row("UNIMPLEMENTED", 12, 501, "NOT_IMPLEMENTED", 11),
            Self::ModelFailed => row("MODEL_FAILED", 2, 400, "BAD_REQUEST", 12),
            Self::Internal => row("INTERNAL", 13, 500, "INTERNAL_ERROR", 70),
        }
    }

    /// The kind whose wire name this is.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.mapping().name == name)
    }
}

/// An error with its [`Kind`], a stable code, a message, and what would help.
///
/// ```
/// use mlflight::error::{Error, Kind};
/// let error = Error::new(Kind::InvalidArgument, "TYPE_MISMATCH", "cannot be converted exactly")
///     .column("age").expected("integer").found("double").remedy("cast the column to int");
/// assert_eq!(
///     error.to_string(),
///     "column 'age': cannot be converted exactly: expected integer, found double; cast the column to int"
/// );
/// ```
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    code: Cow<'static, str>,
    message: String,
    column: Option<String>,
    expected: Option<String>,
    found: Option<String>,
    remedy: Option<String>,
    row: Option<u64>,
    traceback: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `code` is a stable name in capitals (`MODEL_NOT_FOUND`); `message` says in lower case what was wrong and where.
    pub fn new(kind: Kind, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code: code.into(),
            message: message.into(),
            column: None,
            expected: None,
            found: None,
            remedy: None,
            row: None,
            traceback: None,
            source: None,
        }))
    }

    /// A failure of an operation on `path`; "not found" and "permission denied" keep their kinds.
    pub fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::PermissionDenied => Kind::PermissionDenied,
            std::io::ErrorKind::AlreadyExists => Kind::AlreadyExists,
            _ => Kind::FailedPrecondition,
        };
        Self::new(kind, "IO", format!("{}: {source}", path.display())).source(source)
    }

    /// Names the column the error is about.
    pub fn column(mut self, name: impl Into<String>) -> Self {
        self.0.column = Some(name.into());
        self
    }

    /// Says what was declared or allowed.
    pub fn expected(mut self, what: impl fmt::Display) -> Self {
        self.0.expected = Some(what.to_string());
        self
    }

    /// Says what was there instead.
    pub fn found(mut self, what: impl fmt::Display) -> Self {
        self.0.found = Some(what.to_string());
        self
    }

    /// Says what would help.
    pub fn remedy(mut self, what: impl Into<String>) -> Self {
        self.0.remedy = Some(what.into());
        self
    }

    /// The row it happened in, counted from 0 in the caller's data.
    pub fn row(mut self, row: u64) -> Self {
        self.0.row = Some(row);
        self
    }

    /// The Python traceback of a failed model.
    pub fn traceback(mut self, text: impl Into<String>) -> Self {
        self.0.traceback = Some(text.into());
        self
    }

    /// Keeps the cause.
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Prefixes the message with where it happened, keeping all else.
    pub fn context(mut self, place: impl fmt::Display) -> Self {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// Adds to the message what else is known, keeping all else.
    pub fn detail(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{}: {what}", self.0.message);
        self
    }

    /// The same error with other words for a part of its message.
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        self.0.message = self.0.message.replace(from, to);
        self
    }

    /// The same error once more, for another caller. Its source stays behind: sources cannot be copied.
    pub fn replica(&self) -> Self {
        let inner = &self.0;
        Self(Box::new(Inner {
            kind: inner.kind,
            code: inner.code.clone(),
            message: inner.message.clone(),
            column: inner.column.clone(),
            expected: inner.expected.clone(),
            found: inner.found.clone(),
            remedy: inner.remedy.clone(),
            row: inner.row,
            traceback: inner.traceback.clone(),
            source: None,
        }))
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message alone, without column, types and remedy.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// See [`Error::column`].
    pub fn column_name(&self) -> Option<&str> {
        self.0.column.as_deref()
    }

    /// See [`Error::expected`].
    pub fn expected_text(&self) -> Option<&str> {
        self.0.expected.as_deref()
    }

    /// See [`Error::found`].
    pub fn found_text(&self) -> Option<&str> {
        self.0.found.as_deref()
    }

    /// See [`Error::remedy`].
    pub fn remedy_text(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// See [`Error::row`].
    pub fn row_number(&self) -> Option<u64> {
        self.0.row
    }

    /// See [`Error::traceback`].
    pub fn traceback_text(&self) -> Option<&str> {
        self.0.traceback.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        if let Some(column) = &inner.column {
            write!(f, "column '{column}': ")?;
        }
        f.write_str(&inner.message)?;
        if let Some(row) = inner.row {
            write!(f, " (row {row})")?;
        }
        match (&inner.expected, &inner.found) {
            (Some(expected), Some(found)) => write!(f, ": expected {expected}, found {found}")?,
            (Some(expected), None) => write!(f, ": expected {expected}")?,
            (None, Some(found)) => write!(f, ": found {found}")?,
            (None, None) => {}
        }
        if let Some(remedy) = &inner.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {self}", self.0.kind, self.0.code)?;
        if let Some(traceback) = &self.0.traceback {
            write!(f, "\n{traceback}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::new(Kind::Internal, "ARROW", error.to_string()).source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_says_the_same_and_a_detail_changes_the_message_alone() {
        let error = Error::new(Kind::ModelFailed, "X", "message").column("a").expected("b").found("c").row(3);
        let error = error.remedy("do").traceback("trace");
        let copy = error.replica();
        assert_eq!(format!("{copy:?}"), format!("{error:?}"));
        assert_eq!(format!("{:?}", copy.detail("more")), format!("{error:?}").replace("message", "message: more"));
    }
}
