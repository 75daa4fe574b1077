//! Planning: what the driver learns of a model and sends to the executors.

use std::{collections::HashMap, path::PathBuf, str::FromStr, sync::Arc};

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow_pyarrow::ToPyArrow;
use mlflight::{
    error::{Error, Result},
    flavors::{Engine, LoadOptions, PythonRuntime},
    http,
    mlmodel::{SchemaSpec, json},
    models::{self, LoadedModel},
    request::{self, Request, ServiceAddress, proto::ScoreSpec},
    score::{PREDICTION, ScoreOptions, convert, ddl},
    store,
};
use prost::Message;
use pyo3::{conversion::FromPyObjectOwned, exceptions::PyTypeError, prelude::*};

use crate::errors::OrRaise;

/// A ScoreSpec with what planning needs to know of its model.
#[pyclass(frozen, skip_from_py_object, module = "mlflight._native")]
#[derive(Clone)]
pub struct Spec {
    spec: ScoreSpec,
    /// The place that the model was found at.
    origin: String,
    inputs: Inputs,
    input: Option<SchemaRef>,
    output: Option<SchemaRef>,
    /// Set where the signature declares one number, or text, a row as an array, which is how MLflow reads a shape of (-1,).
    #[pyo3(get)]
    plain_type: Option<String>,
    #[pyo3(get)]
    digest: String,
    #[pyo3(get)]
    model_dir: PathBuf,
    #[pyo3(get)]
    engine: &'static str,
    #[pyo3(get)]
    reason: String,
}

#[derive(Clone, Default)]
struct Inputs {
    names: Option<Vec<String>>,
    required: Option<usize>,
    unnamed: bool,
    optional: bool,
}

#[pymethods]
impl Spec {
    /// The ScoreSpec's bytes.
    fn to_bytes(&self) -> Vec<u8> {
        self.spec.encode_to_vec()
    }

    /// The model's URI as it may be shown.
    #[getter]
    fn uri(&self) -> String {
        http::redacted(&self.spec.uri)
    }

    /// The same with the result type of this IPC schema.
    fn with_result(&self, result_schema: Vec<u8>) -> Self {
        Self { spec: ScoreSpec { result_schema, ..self.spec.clone() }, ..self.clone() }
    }

    /// The same for executors that fetch the model themselves: what a name such as `models:/fraud@champion` stands for now takes its
    /// place. A URI that names its place itself stays, for it may hold what lets in.
    fn at_origin(&self) -> Self {
        let scheme = |uri: &str| uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let named = scheme(&self.spec.uri) == scheme(&self.origin);
        let uri = if named { self.spec.uri.clone() } else { self.origin.clone() };
        Self { spec: ScoreSpec { uri, ..self.spec.clone() }, ..self.clone() }
    }

    #[getter]
    fn input_names(&self) -> Option<Vec<String>> {
        self.inputs.names.clone()
    }

    #[getter]
    fn required_count(&self) -> Option<usize> {
        self.inputs.required
    }

    /// Whether the signature's columns have no names.
    #[getter]
    fn unnamed(&self) -> bool {
        self.inputs.unnamed
    }

    /// Whether some column may be left out.
    #[getter]
    fn optional_inputs(&self) -> bool {
        self.inputs.optional
    }

    #[getter]
    fn input_schema<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.input.as_deref().map(|schema| schema.to_pyarrow(py)).transpose()
    }

    /// The prediction column as it is planned; `None` where neither caller, signature nor model says its type.
    #[getter]
    fn output_schema<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.output.as_deref().map(|schema| schema.to_pyarrow(py)).transpose()
    }
}

/// Loads the model a URI names and makes the spec it is scored with. `python` only serves to load the model here: executors have
/// an interpreter of their own.
#[pyfunction]
#[pyo3(signature = (uri, **options))]
pub fn make_spec(py: Python<'_>, uri: String, options: Option<Keywords<'_>>) -> PyResult<Spec> {
    let mut keywords = options.unwrap_or_default();
    let result_schema: Vec<u8> = take(&mut keywords, "result_schema")?.unwrap_or_default();
    let (request, python) = asked(uri, keywords)?;
    py.detach(|| plan(&request, result_schema, python)).or_raise()
}

/// What makes two specs need two loaded models; params and the result type do not.
#[pyfunction]
pub fn load_key(spec: &[u8]) -> PyResult<String> {
    let spec = request::decode(spec).or_raise()?;
    let (load, _) = request::options(&spec).or_raise()?;
    let model = if spec.digest.is_empty() { &spec.uri } else { &spec.digest };
    Ok(models::load_key(model, &load))
}

/// Checks the address of a service; `what` is where it was given.
#[pyfunction]
pub fn check_server(uri: &str, what: &str) -> PyResult<()> {
    ServiceAddress::parse(uri).map(|_| ()).map_err(|error| error.context(what)).or_raise()
}

/// Keyword arguments.
pub type Keywords<'py> = HashMap<String, Bound<'py, PyAny>>;

pub fn take<'py, T>(keywords: &mut Keywords<'py>, name: &str) -> PyResult<Option<T>>
where
    T: FromPyObjectOwned<'py>,
{
    match keywords.remove(name).filter(|value| !value.is_none()) {
        Some(value) => value.extract().map(Some).map_err(|error: <T as FromPyObject<'_, 'py>>::Error| error.into()),
        None => Ok(None),
    }
}

/// A model's URI with the keyword arguments `engine`, `compat`, `params`, `model_config`, `predict_fn`, `env_manager`,
/// `extra_env`, `time_zone`, and beside it the interpreter that `python` names.
pub fn asked(uri: String, mut keywords: Keywords<'_>) -> PyResult<(Request, PythonRuntime)> {
    let mut text = |name: &str| take::<String>(&mut keywords, name);
    let (engine, env_manager, compat) = (text("engine")?, text("env_manager")?, text("compat")?);
    let (params, model_config) = (text("params")?, text("model_config")?);
    let (predict_fn, time_zone) = (text("predict_fn")?, text("time_zone")?);
    let extra_env: HashMap<String, String> = take(&mut keywords, "extra_env")?.unwrap_or_default();
    let python = PythonRuntime { executable: take(&mut keywords, "python")?, ..PythonRuntime::default() };
    if let Some(name) = keywords.keys().next() {
        return Err(PyTypeError::new_err(format!("unexpected keyword argument '{name}'")));
    }
    let request = || {
        let load = LoadOptions {
            engine: named(engine)?,
            env_manager: named(env_manager)?,
            model_config: model_config.map(|text| json::object("model_config", &text)).transpose()?,
            predict_fn,
            ..LoadOptions::default()
        };
        let score = ScoreOptions {
            compat: named(compat)?,
            params: params.map(|text| json::object("params", &text)).transpose()?.unwrap_or_default(),
            time_zone,
            ..ScoreOptions::default()
        };
        Ok(Request { uri, load, score, extra_env: extra_env.into_iter().collect(), ..Request::default() })
    };
    Ok((request().or_raise()?, python))
}

/// The value of an option by its name; the default where none is given.
fn named<T: Default + FromStr<Err = Error>>(name: Option<String>) -> Result<T> {
    name.map_or_else(|| Ok(T::default()), |name| name.parse())
}

fn plan(request: &Request, result_schema: Vec<u8>, python: PythonRuntime) -> Result<Spec> {
    let asked = !result_schema.is_empty();
    let mut spec = ScoreSpec { result_schema, ..request.to_spec()? };
    let here = LoadOptions { python, params: request.score.params.clone(), ..request::options(&spec)?.0 };
    let loaded = LoadedModel::load(&spec.uri, &here)?;
    if !here.params.is_empty() && loaded.engine == Engine::Python {
        // Executors share loaded models among streams of all params: they are told which engine these need.
        spec.engine = Engine::Python.name().into();
    }
    let options = request::options(&spec)?.1;
    let result = options.result.clone();
    let scorer = loaded.scorer(options)?;
    let signature = &loaded.mlmodel.signature;
    let output = match result {
        Some(asked) => Some(asked),
        None => convert::planned(signature, loaded.model.output().as_ref())?,
    };
    let input = scorer.input();
    let inputs = inputs(&loaded, input.as_ref());
    spec.digest = store::digest(&loaded.directory)?.to_string();
    spec.signature = signature.to_json();
    spec.input_names = inputs.names.clone().unwrap_or_default();
    Ok(Spec {
        plain_type: convert::plain_type(signature).filter(|_| !asked).map(|kind| ddl::holding(&kind)),
        output: output.map(|kind| Arc::new(Schema::new(vec![Field::new(PREDICTION, kind, true)]))),
        digest: spec.digest.clone(),
        model_dir: loaded.directory.clone(),
        engine: loaded.engine.name(),
        reason: loaded.reason.clone(),
        origin: loaded.origin.uri.clone(),
        spec,
        inputs,
        input,
    })
}

/// Which columns a call by position means.
fn inputs(loaded: &LoadedModel, schema: Option<&SchemaRef>) -> Inputs {
    match &loaded.mlmodel.signature.inputs {
        // One tensor without a name takes any number of columns.
        Some(SchemaSpec::Tensors(tensors)) if tensors.len() == 1 && tensors[0].name.is_none() => {
            Inputs { unnamed: true, ..Inputs::default() }
        }
        Some(declared) => {
            let names = declared.names();
            let required = (0..names.len()).filter(|at| declared.required(*at)).count();
            Inputs {
                unnamed: !declared.is_named(),
                optional: required < names.len(),
                required: Some(required),
                names: Some(names),
            }
        }
        None => schema.map_or_else(Inputs::default, |schema| {
            let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
            Inputs { required: Some(names.len()), names: Some(names), ..Inputs::default() }
        }),
    }
}
