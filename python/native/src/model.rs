//! A loaded model in the caller's process.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{
    array::{RecordBatch, RecordBatchIterator, RecordBatchReader},
    datatypes::{Schema, SchemaRef},
    ffi_stream::ArrowArrayStreamReader,
};
use arrow_pyarrow::{FromPyArrow, IntoPyArrow, PyArrowType, ToPyArrow};
use mlflight::{
    error::{Error, Kind, Result},
    mlmodel::json,
    models::LoadedModel,
    request::{
        self,
        proto::{self, ScoreSpec},
    },
    score::{Context, ScoreOptions, ScorerSession, convert, ddl},
};
use pyo3::prelude::*;

use crate::{
    errors::OrRaise,
    spec::{Keywords, asked, take},
};

/// Rows scored at a time: between two slices the caller's signals are looked at.
const SLICE_ROWS: usize = 1 << 16;

/// A model that scores in this process.
#[pyclass(frozen, module = "mlflight._native")]
pub struct Model {
    spec: ScoreSpec,
    /// Where the model lies, for one that was sent here; else its URI says.
    directory: Option<String>,
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    /// The process that loaded it: a fork has neither its threads nor its workers.
    pid: u32,
    loaded: Arc<LoadedModel>,
    options: ScoreOptions,
}

impl State {
    fn load(spec: &ScoreSpec, directory: Option<&str>) -> Result<Self> {
        let (mut load, options) = request::options(spec)?;
        load.params = options.params.clone();
        let loaded = match directory {
            Some(directory) => LoadedModel::load(directory, &load)?,
            None => LoadedModel::load_expected(&spec.uri, &spec.digest, &load)?,
        };
        // A result type or params that cannot be are refused here rather than at the first batch.
        loaded.scorer(options.clone())?;
        Ok(Self { pid: std::process::id(), loaded, options })
    }
}

impl Model {
    fn new(py: Python<'_>, spec: ScoreSpec, directory: Option<String>) -> PyResult<Self> {
        let state = py.detach(|| State::load(&spec, directory.as_deref())).or_raise()?;
        Ok(Self { spec, directory, state: Mutex::new(state) })
    }

    /// What is loaded in this process. The lock is only held with the GIL, so that no fork finds it locked.
    fn state(&self, _py: Python<'_>) -> PyResult<State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.pid != std::process::id() {
            let fresh = State::load(&self.spec, self.directory.as_deref()).or_raise()?;
            // Its threads, workers and sockets are the parent's: ending them from here would end them there.
            std::mem::forget(std::mem::replace(&mut *state, fresh));
        }
        Ok(state.clone())
    }
}

#[pymethods]
impl Model {
    #[getter]
    fn uri(&self) -> &str {
        &self.spec.uri
    }

    #[getter]
    fn engine(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(self.state(py)?.loaded.engine.name())
    }

    #[getter]
    fn reason(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.state(py)?.loaded.reason.clone())
    }

    #[getter]
    fn flavor(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.state(py)?.loaded.flavor.clone())
    }

    #[getter]
    fn input_schema<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let state = self.state(py)?;
        let scorer = state.loaded.scorer(state.options).or_raise()?;
        scorer.input().map(|schema| schema.to_pyarrow(py)).transpose()
    }

    /// The declared inputs as MLflow writes them.
    #[getter]
    fn inputs(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.state(py)?.loaded.mlmodel.signature.inputs_json())
    }

    #[getter]
    fn output_schema<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let state = self.state(py)?;
        let scorer = state.loaded.scorer(state.options).or_raise()?;
        scorer.output().map(|field| Schema::new(vec![field]).to_pyarrow(py)).transpose()
    }

    /// Scores whatever gives an Arrow stream; the answer is a `pyarrow.RecordBatchReader` of predictions.
    #[pyo3(signature = (data, params=None))]
    fn predict<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>, params: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
        let reader = ArrowArrayStreamReader::from_pyarrow_bound(data)?;
        let state = self.state(py)?;
        let mut options = state.options;
        if let Some(text) = params {
            options.params.extend(json::object("params", text).or_raise()?);
        }
        let schema = reader.schema();
        let mut session = py.detach(|| state.loaded.scorer(options)?.open(&schema)).or_raise()?;
        let context = Context::default();
        let (mut answers, mut first_row) = (Vec::new(), 0);
        for batch in reader {
            let batch = batch.map_err(Error::from).or_raise()?;
            for start in (0..batch.num_rows()).step_by(SLICE_ROWS) {
                let slice = batch.slice(start, SLICE_ROWS.min(batch.num_rows() - start));
                let answer = py.detach(|| session.score(&slice, &context)).map_err(|error| later(error, first_row)).or_raise()?;
                first_row += slice.num_rows() as u64;
                answers.push(answer);
                py.check_signals()?;
            }
        }
        let (schema, answers) = py.detach(move || alike(&session, answers)).or_raise()?;
        into_reader(py, schema, answers)
    }

    /// Starts one stream of batches that all have this schema; `spec` is one that the same loaded model serves.
    #[pyo3(signature = (schema, spec=None))]
    fn stream(&self, py: Python<'_>, schema: PyArrowType<Schema>, spec: Option<&[u8]>) -> PyResult<Stream> {
        let mut state = self.state(py)?;
        if let Some(bytes) = spec {
            (_, state.options) = request::decode(bytes).and_then(|spec| request::options(&spec)).or_raise()?;
        }
        let session = py.detach(|| state.loaded.scorer(state.options)?.open(&schema.0)).or_raise()?;
        Ok(Stream { pid: std::process::id(), session: Mutex::new(session) })
    }
}

/// Answers in the type that they have in common.
fn alike(session: &ScorerSession, answers: Vec<RecordBatch>) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let Some(first) = answers.first().filter(|_| session.schema().is_none()) else {
        return Ok((session.empty_schema(), answers));
    };
    let mut kind = first.schema().field(0).data_type().clone();
    let mut rows = 0;
    for answer in &answers {
        let other = answer.schema().field(0).data_type().clone();
        kind = convert::common(&kind, &other).ok_or_else(|| {
            let message = "the model's answers to some rows have no type in common with those before";
            Error::new(Kind::InvalidArgument, "RESULT_TYPE", message)
                .expected(&kind)
                .found(other)
                .row(rows)
                .remedy("name a type that holds all of them, such as result_type=\"string\"")
        })?;
        rows += answer.num_rows() as u64;
    }
    let schema = Arc::new(Schema::new(vec![first.schema().field(0).clone().with_data_type(kind.clone())]));
    let mut first_row = 0;
    let made = answers.into_iter().map(|answer| {
        let column = convert::fit(answer.column(0), &kind).map_err(|error| later(error, first_row))?;
        first_row += answer.num_rows() as u64;
        Ok(RecordBatch::try_new(schema.clone(), vec![column])?)
    });
    Ok((schema.clone(), made.collect::<Result<_>>()?))
}

/// Rows of an error are counted in the caller's data.
fn later(error: Error, first_row: u64) -> Error {
    match error.row_number() {
        Some(row) => error.row(first_row + row),
        None => error,
    }
}

fn into_reader(py: Python<'_>, schema: SchemaRef, answers: Vec<RecordBatch>) -> PyResult<Bound<'_, PyAny>> {
    let reader: Box<dyn RecordBatchReader + Send> = Box::new(RecordBatchIterator::new(answers.into_iter().map(Ok), schema));
    reader.into_pyarrow(py)
}

/// One stream of batches; keeps the scratch space between them.
#[pyclass(frozen, module = "mlflight._native")]
pub struct Stream {
    pid: u32,
    session: Mutex<ScorerSession>,
}

#[pymethods]
impl Stream {
    /// Scores one batch: one column `prediction`.
    fn score(&self, py: Python<'_>, batch: PyArrowType<RecordBatch>) -> PyResult<PyArrowType<RecordBatch>> {
        // A thread of the parent may have held the lock when the process forked, and the workers are the parent's.
        if self.pid != std::process::id() {
            let error =
                Error::new(Kind::FailedPrecondition, "FORKED_STREAM", "the stream belongs to the process before the fork");
            return Err(error.remedy("open a stream of its own in each process")).or_raise();
        }
        let answer = py.detach(|| {
            let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            session.score(&batch.0, &Context::default())
        });
        Ok(PyArrowType(answer.or_raise()?))
    }
}

/// Loads the model a URI names; `python` is the workers' interpreter.
#[pyfunction]
#[pyo3(signature = (uri, **options))]
pub fn load_model(py: Python<'_>, uri: String, options: Option<Keywords<'_>>) -> PyResult<Model> {
    let mut keywords = options.unwrap_or_default();
    let result_schema: Vec<u8> = take(&mut keywords, "result_schema")?.unwrap_or_default();
    let result_type: Option<String> = take(&mut keywords, "result_type")?;
    let (mut request, python) = asked(uri, keywords)?;
    request.load.python = python;
    request.score.result = match result_type {
        Some(text) => Some(ddl::parse(&text).or_raise()?),
        None => (!result_schema.is_empty()).then(|| request::result_type(&result_schema)).transpose().or_raise()?,
    };
    Model::new(py, request.to_spec().or_raise()?, None)
}

/// Loads the model of a ScoreSpec, from `directory` where that is given; `python` and `path` are the workers' interpreter and
/// `sys.path`.
#[pyfunction]
#[pyo3(signature = (spec, *, directory=None, python=None, path=None))]
pub fn load_spec(
    py: Python<'_>,
    spec: &[u8],
    directory: Option<String>,
    python: Option<String>,
    path: Option<Vec<String>>,
) -> PyResult<Model> {
    let mut spec = request::decode(spec).or_raise()?;
    spec.python = Some(proto::PythonRuntime {
        executable: python.unwrap_or_default(),
        path: path.unwrap_or_default(),
        ..proto::PythonRuntime::default()
    });
    Model::new(py, spec, directory)
}
