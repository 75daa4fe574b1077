//! File formats: bytes become plain structs. Knows neither MLflow nor Arrow. Every size and depth is checked before it is
//! believed, and every error names the place.

pub mod document;
mod inflate;
mod json;
pub mod lightgbm;
pub mod npy;
pub mod objects;
pub mod pickle;
pub mod skops;
mod ubjson;
pub mod xgboost;
mod zip;

use crate::error::{Error, Kind};

/// The error of a broken file.
fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidModel, "MODEL_FILE_INVALID", message)
}

/// The error of a file in a form, or of a size, that is not read here, whatever is in it.
fn unread(message: impl Into<String>) -> Error {
    Error::new(Kind::Unimplemented, "FORM_NOT_READ", message)
}
