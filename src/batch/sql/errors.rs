//! Errors on their way through DataFusion, and DataFusion's own errors as ours.

use std::sync::Arc;

use datafusion::common::DataFusionError;

use crate::error::{Error, Kind};

/// Wraps an error of ours for DataFusion.
pub(super) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Unwraps an error of ours, or converts one of DataFusion's.
pub(super) fn failed(error: DataFusionError) -> Error {
    let text = error.strip_backtrace();
    let kind = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Kind::ResourceExhausted,
        DataFusionError::NotImplemented(_) => Kind::Unimplemented,
        DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => Kind::Internal,
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => Kind::FailedPrecondition,
        _ => Kind::InvalidArgument,
    };
    match own(error) {
        Ok(error) => error,
        // DataFusion's message advises settings that a user of mlflight cannot set.
        Err(error) if kind == Kind::ResourceExhausted => {
            Error::new(kind, "SQL_MEMORY", "the query needs more memory than --memory-limit leaves it")
                .source(error)
                .remedy("raise --memory-limit")
        }
        Err(error) => Error::new(kind, "SQL", text).source(error),
    }
}

fn own(error: DataFusionError) -> Result<Error, DataFusionError> {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(error) => Ok(*error),
            Err(inner) => match inner.downcast::<DataFusionError>() {
                Ok(inner) => own(*inner),
                Err(inner) => Err(DataFusionError::External(inner)),
            },
        },
        DataFusionError::Context(text, inner) => own(*inner).map_err(|inner| DataFusionError::Context(text, Box::new(inner))),
        DataFusionError::Diagnostic(note, inner) => {
            own(*inner).map_err(|inner| DataFusionError::Diagnostic(note, Box::new(inner)))
        }
        DataFusionError::Shared(shared) => match Arc::try_unwrap(shared) {
            Ok(inner) => own(inner),
            Err(shared) => Err(DataFusionError::Shared(shared)),
        },
        DataFusionError::ArrowError(inner, text) => match *inner {
            arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<DataFusionError>() {
                Ok(inner) => own(*inner),
                Err(inner) => own(DataFusionError::External(inner)),
            },
            inner => Err(DataFusionError::ArrowError(Box::new(inner), text)),
        },
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_advises_the_flag() {
        let inner = DataFusionError::ResourcesExhausted("consider 'datafusion.runtime.memory_limit'".into());
        let error = failed(DataFusionError::Context("sort".into(), Box::new(inner)));
        assert_eq!((error.kind(), error.remedy_text()), (Kind::ResourceExhausted, Some("raise --memory-limit")));
        assert!(!error.to_string().contains("datafusion"), "{error}");
    }
}
