//! Why a model is not scored natively.

use super::NeedsPython;
use crate::error::{Error, Kind, Result};

/// Why a model, or a part of one, was not built.
pub(super) enum Obstacle {
    /// It is scored in Python, for this reason.
    Python(NeedsPython),
    /// The file is broken.
    Broken(Error),
}

impl From<NeedsPython> for Obstacle {
    fn from(reason: NeedsPython) -> Self {
        Self::Python(reason)
    }
}

impl From<Error> for Obstacle {
    /// Python may read what is not read here; what is broken is broken there as well.
    fn from(error: Error) -> Self {
        match error.kind() {
            Kind::Unimplemented => Self::Python(error.message().to_owned()),
            _ => Self::Broken(error),
        }
    }
}

/// What a native loader answers.
pub(super) fn settle<T>(made: Result<T, Obstacle>) -> Result<Result<T, NeedsPython>> {
    match made {
        Ok(made) => Ok(Ok(made)),
        Err(Obstacle::Python(reason)) => Ok(Err(reason)),
        Err(Obstacle::Broken(error)) => Err(error),
    }
}
