//! The Model API: `MLmodel` files, signatures and directories, for `mlflight.models`.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use arrow::{
    array::{RecordBatch, RecordBatchReader},
    datatypes::Schema,
    ffi_stream::ArrowArrayStreamReader,
};
use arrow_pyarrow::{FromPyArrow, ToPyArrow};
use mlflight::{
    config,
    error::{Error, Kind, Result},
    mlmodel::{self, InputExample, MlModel, ModelDirectory, PythonEnvironment, SchemaSpec, Signature, Value, json},
};
use pyo3::{prelude::*, types::PyDict};

use crate::{
    errors::OrRaise,
    values::{to_dict, to_mapping},
};

/// A model of the keys of its `MLmodel` file.
fn model_of(keys: &Bound<'_, PyDict>) -> PyResult<MlModel> {
    let mut keys = to_mapping(keys)?;
    let wrong = |what: &str| Error::new(Kind::InvalidArgument, "MLMODEL_INVALID", format!("{what} must be a dict"));
    let build = || -> Result<MlModel> {
        let mut model = MlModel::new();
        match keys.shift_remove("flavors") {
            Some(Value::Mapping(flavors)) => model.flavors = flavors,
            None | Some(Value::Null) => {}
            Some(_) => return Err(wrong("flavors")),
        }
        match keys.shift_remove("signature") {
            Some(Value::Mapping(parts)) => {
                let part = |name: &str| parts.get(name).and_then(Value::as_str);
                model.signature = Signature::from_parts(part("inputs"), part("outputs"), part("params"))?;
            }
            None | Some(Value::Null) => {}
            Some(_) => return Err(wrong("signature")),
        }
        model.rest = keys;
        Ok(model)
    };
    build().or_raise()
}

/// The text of an `MLmodel` file with these keys.
#[pyfunction]
pub fn write_mlmodel(keys: &Bound<'_, PyDict>) -> PyResult<String> {
    model_of(keys)?.to_yaml().or_raise()
}

/// The keys of an `MLmodel` file's text.
#[pyfunction]
pub fn read_mlmodel<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyDict>> {
    keys_of(py, &MlModel::parse(text).or_raise()?)
}

/// The keys of the `MLmodel` file in a directory.
#[pyfunction]
pub fn load_mlmodel(py: Python<'_>, directory: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let model = py.detach(|| MlModel::load(&directory)).or_raise()?;
    keys_of(py, &model)
}

/// The text of a YAML file with these keys.
#[pyfunction]
pub fn write_yaml(keys: &Bound<'_, PyDict>) -> PyResult<String> {
    mlmodel::write_yaml(&to_mapping(keys)?).or_raise()
}

/// The keys of a YAML or JSON file's text.
#[pyfunction]
pub fn read_yaml<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyDict>> {
    to_dict(py, &mlmodel::read_yaml(text).or_raise()?)
}

fn keys_of<'py>(py: Python<'py>, model: &MlModel) -> PyResult<Bound<'py, PyDict>> {
    let dict = to_dict(py, &model.rest)?;
    dict.set_item("flavors", to_dict(py, &model.flavors)?)?;
    if !model.signature.is_empty() {
        let parts = PyDict::new(py);
        parts.set_item("inputs", model.signature.inputs_json())?;
        parts.set_item("outputs", model.signature.outputs_json())?;
        parts.set_item("params", model.signature.params_json())?;
        dict.set_item("signature", parts)?;
    }
    Ok(dict)
}

/// The keys that a model made at this moment has.
#[pyfunction]
pub fn new_mlmodel(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    keys_of(py, &MlModel::created_now())
}

/// The parts of a signature, checked and as MLflow writes them: inputs, outputs, params.
#[pyfunction]
#[pyo3(signature = (inputs=None, outputs=None, params=None))]
pub fn check_signature(
    inputs: Option<&str>,
    outputs: Option<&str>,
    params: Option<&str>,
) -> PyResult<(Option<String>, Option<String>, Option<String>)> {
    let signature = Signature::from_parts(inputs, outputs, params).or_raise()?;
    Ok((signature.inputs_json(), signature.outputs_json(), signature.params_json()))
}

/// The declared columns, as MLflow writes them, as a `pyarrow.Schema`.
#[pyfunction]
pub fn schema_to_arrow<'py>(py: Python<'py>, columns: &str) -> PyResult<Bound<'py, PyAny>> {
    let signature = Signature::from_parts(None, Some(columns), None).or_raise()?;
    signature.output_schema().map_or_else(|| Schema::empty().to_pyarrow(py), |schema| schema.to_pyarrow(py))
}

/// The columns of whatever gives an Arrow stream, as MLflow writes them.
#[pyfunction]
#[pyo3(signature = (data, named=true))]
pub fn infer_columns(data: &Bound<'_, PyAny>, named: bool) -> PyResult<String> {
    let (schema, batches) = batches(data)?;
    let infer = || {
        let columns = SchemaSpec::infer(&schema, &batches)?;
        let outputs = Some(if named { columns } else { columns.unnamed() });
        Ok(Signature { outputs, ..Signature::default() }.outputs_json().unwrap_or_default())
    };
    infer().or_raise()
}

fn batches(data: &Bound<'_, PyAny>) -> PyResult<(Schema, Vec<RecordBatch>)> {
    let reader = ArrowArrayStreamReader::from_pyarrow_bound(data)?;
    let schema = reader.schema().as_ref().clone();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(Error::from).or_raise()?;
    Ok((schema, batches))
}

/// Whether models may run code of their own.
#[pyfunction]
pub fn model_code_allowed() -> PyResult<bool> {
    config::model_code_allowed().or_raise()
}

/// A model's directory that is being written.
#[pyclass(frozen, module = "mlflight._native")]
pub struct Draft {
    path: PathBuf,
    target: PathBuf,
    directory: Mutex<Option<ModelDirectory>>,
}

impl Draft {
    fn with<T>(&self, work: impl FnOnce(&ModelDirectory) -> Result<T>) -> PyResult<T> {
        let directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        directory.as_ref().map_or_else(|| Err(over()), work).or_raise()
    }
}

fn over() -> Error {
    Error::new(Kind::FailedPrecondition, "DRAFT_OVER", "the model's directory is already written or given up")
}

#[pymethods]
impl Draft {
    /// Begins a directory that shall come to stand at `target`.
    #[new]
    fn new(target: PathBuf) -> PyResult<Self> {
        let directory = ModelDirectory::create(&target).or_raise()?;
        Ok(Self {
            path: directory.path().to_owned(),
            target: directory.target().to_owned(),
            directory: Mutex::new(Some(directory)),
        })
    }

    /// Where files are put meanwhile.
    #[getter]
    fn path(&self) -> &Path {
        &self.path
    }

    /// Where the model will stand.
    #[getter]
    fn target(&self) -> &Path {
        &self.target
    }

    /// Copies a file or a directory to a path in the model's directory.
    fn copy(&self, py: Python<'_>, source: PathBuf, name: &str) -> PyResult<()> {
        py.detach(|| self.with(|directory| directory.copy(&source, name)))
    }

    /// Writes the files that say which Python and packages are needed.
    #[pyo3(signature = (python, build, requirements, constraints, conda=None))]
    fn write_environment(
        &self,
        python: String,
        build: Vec<String>,
        requirements: Vec<String>,
        constraints: Vec<String>,
        conda: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let conda = conda.map(to_mapping).transpose()?;
        let environment = PythonEnvironment { python, build, requirements, constraints, conda };
        self.with(|directory| directory.write_environment(&environment))
    }

    /// Writes an example of rows: whatever gives an Arrow stream. Returns `saved_input_example_info`.
    #[pyo3(signature = (data, named, params=None))]
    fn write_table_example<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        named: bool,
        params: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (schema, batches) = batches(data)?;
        let batch = arrow::compute::concat_batches(&schema.into(), &batches).map_err(Error::from).or_raise()?;
        self.write_example(py, InputExample::from_batch(&batch, named).or_raise()?, params)
    }

    /// Writes an example in another of MLflow's forms, given as JSON. Returns `saved_input_example_info`.
    #[pyo3(signature = (kind, data, serving=None, params=None))]
    fn write_json_example<'py>(
        &self,
        py: Python<'py>,
        kind: &str,
        data: &str,
        serving: Option<&str>,
        params: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let mut example = InputExample::from_json(kind, parsed(data)?).or_raise()?;
        if let Some(serving) = serving {
            example = example.with_serving(parsed(serving)?);
        }
        self.write_example(py, example, params)
    }

    /// Writes the `MLmodel` file with these keys, so that the directory can be loaded where it is.
    fn write_model(&self, keys: &Bound<'_, PyDict>) -> PyResult<()> {
        let mut model = model_of(keys)?;
        self.with(|directory| directory.write_model(&mut model))
    }

    /// Writes the `MLmodel` file and moves the directory to its place; returns the keys as they are saved.
    fn commit<'py>(&self, py: Python<'py>, keys: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
        let mut model = model_of(keys)?;
        let directory = self.directory.lock().unwrap_or_else(PoisonError::into_inner).take();
        let model = py
            .detach(|| {
                directory.ok_or_else(over)?.commit(&mut model)?;
                Ok(model)
            })
            .or_raise()?;
        keys_of(py, &model)
    }

    /// Removes what was written.
    fn discard(&self) {
        drop(self.directory.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Draft {
    fn write_example<'py>(
        &self,
        py: Python<'py>,
        mut example: InputExample,
        params: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        if let Some(params) = params {
            example = example.with_params(parsed(params)?);
        }
        let mut model = MlModel::new();
        self.with(|directory| directory.write_example(&mut model, &example))?;
        let info = model.rest.get("saved_input_example_info").and_then(Value::as_mapping).cloned().unwrap_or_default();
        to_dict(py, &info)
    }
}

fn parsed(text: &str) -> PyResult<serde_json::Value> {
    let wrong = |error: serde_json::Error| Error::new(Kind::InvalidArgument, "BAD_JSON", format!("no JSON: {error}"));
    json::parse(text).map_err(wrong).or_raise()
}
