//! Runs, models that are logged to them, and what the registry has.

use std::path::PathBuf;

use mlflight::{
    publish::{self, LogOptions, RunOptions},
    tracking::RunStatus,
};
use pyo3::{prelude::*, types::PyDict};

use crate::errors::OrRaise;

/// Begins a run, or goes on with one; returns its `run_id`, `run_name`, `experiment_id` and `artifact_uri`.
#[pyfunction]
#[pyo3(signature = (*, run_id=None, run_name=None, experiment_name=None, tags=Vec::new(), source_name=String::new()))]
pub fn start_run(
    py: Python<'_>,
    run_id: Option<String>,
    run_name: Option<String>,
    experiment_name: Option<String>,
    tags: Vec<(String, String)>,
    source_name: String,
) -> PyResult<Bound<'_, PyDict>> {
    let options = RunOptions { run_id, run_name, experiment_name, tags, source_name };
    let run = py.detach(|| publish::start_run(&options)).or_raise()?;
    let found = PyDict::new(py);
    found.set_item("run_id", run.id)?;
    found.set_item("run_name", run.name)?;
    found.set_item("experiment_id", run.experiment_id)?;
    found.set_item("artifact_uri", run.artifact_uri)?;
    Ok(found)
}

/// Ends a run with a status: `FINISHED`, `FAILED` or `KILLED`.
#[pyfunction]
pub fn end_run(py: Python<'_>, run_id: &str, status: &str) -> PyResult<()> {
    py.detach(|| publish::end_run(run_id, RunStatus::parse(status)?)).or_raise()
}

/// Logs a model's directory.
#[pyfunction]
#[pyo3(signature = (directory, name, *, run_id=None, experiment_name=None, registered_model_name=None, alias=None, params=Vec::new(), tags=Vec::new()))]
#[allow(clippy::too_many_arguments, reason = "they are keywords of Python")]
pub fn log_directory<'py>(
    py: Python<'py>,
    directory: PathBuf,
    name: String,
    run_id: Option<String>,
    experiment_name: Option<String>,
    registered_model_name: Option<String>,
    alias: Option<String>,
    params: Vec<(String, String)>,
    tags: Vec<(String, String)>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = LogOptions { directory, name, run_id, experiment_name, registered_model_name, alias, params, tags };
    let logged = py.detach(|| publish::log_directory(&options)).or_raise()?;
    let found = PyDict::new(py);
    found.set_item("model_uri", logged.model_uri)?;
    found.set_item("model_id", logged.model_id)?;
    found.set_item("run_id", logged.run_id)?;
    found.set_item("artifact_path", logged.artifact_path)?;
    found.set_item("artifact_uri", logged.artifact_uri)?;
    found.set_item("registered_model_version", logged.registered_model_version)?;
    Ok(found)
}

/// Stores the files of a directory among a run's artifacts; returns their artifact URI.
#[pyfunction]
pub fn log_artifacts(py: Python<'_>, directory: PathBuf, artifact_path: &str, run_id: &str) -> PyResult<String> {
    py.detach(|| publish::log_artifacts(&directory, artifact_path, run_id)).or_raise()
}
