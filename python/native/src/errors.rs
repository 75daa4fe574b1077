//! Errors of the library as Python's `mlflight.MlflightError`.

use mlflight::error::Error;
use pyo3::prelude::*;

/// Results whose error is raised in Python.
pub trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| Python::attach(|py| exception(py, &error).unwrap_or_else(|failure| failure)))
    }
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let mapping = error.kind().mapping();
    let arguments = (error.to_string(), mapping.name, error.code(), mapping.mlflow, error.traceback_text());
    Ok(PyErr::from_value(py.import("mlflight.errors")?.getattr("make")?.call1(arguments)?))
}
