//! Why a model is not scored natively.

use crate::error::{Error, Kind, Result};

/// Why Python has to score a model, in words for the user.
pub type NeedsPython = String;

/// Why a model, or a part of one, was not built.
#[derive(Debug)]
pub enum Obstacle {
    /// It is scored in Python, for this reason.
    Python(NeedsPython),
    /// The file is broken.
    Broken(Error),
}

/// What was built of a model, or why it was not.
pub type Made<T> = Result<T, Obstacle>;

/// An obstacle for a reason.
pub fn python<T>(reason: impl Into<String>) -> Made<T> {
    Err(Obstacle::Python(reason.into()))
}

impl Obstacle {
    /// The reason why Python has to score the model, or what is broken.
    pub fn reason(self) -> Result<NeedsPython> {
        match self {
            Self::Python(reason) => Ok(reason),
            Self::Broken(error) => Err(error),
        }
    }
}

impl From<NeedsPython> for Obstacle {
    fn from(reason: NeedsPython) -> Self {
        Self::Python(reason)
    }
}

impl From<Error> for Obstacle {
    /// A file in a form that is not read here may still be read by Python; a broken file is broken for Python as well.
    fn from(error: Error) -> Self {
        match error.kind() {
            Kind::Unimplemented => Self::Python(error.message().to_owned()),
            _ => Self::Broken(error),
        }
    }
}
