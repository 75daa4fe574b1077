//! Planning: what the driver learns of a model and sends to the executors.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use arrow_pyarrow::ToPyArrow;
use mlflight::{
    error::{Error, Kind, Result},
    flavors::{LoadOptions, PythonRuntime},
    flight::spec::{self, Request, ScoreSpec},
    mlmodel::SchemaSpec,
    models::LoadedModel,
    score::{Compat, ScoreOptions},
    store,
};
use prost::Message;
use pyo3::prelude::*;
use serde_json::{Map, Value};

use crate::errors::OrRaise;

/// A ScoreSpec with what planning needs to know of its model.
#[pyclass(frozen, module = "mlflight._native")]
pub struct Spec {
    spec: ScoreSpec,
    inputs: Inputs,
    input: Option<SchemaRef>,
    output: SchemaRef,
    #[pyo3(get)]
    output_source: &'static str,
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

    /// The same with the result type of this IPC schema.
    fn with_result(&self, result_schema: Vec<u8>) -> Self {
        Self {
            spec: ScoreSpec { result_schema, ..self.spec.clone() },
            inputs: self.inputs.clone(),
            input: self.input.clone(),
            output: self.output.clone(),
            output_source: self.output_source,
            digest: self.digest.clone(),
            model_dir: self.model_dir.clone(),
            engine: self.engine,
            reason: self.reason.clone(),
        }
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

    #[getter]
    fn output_schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.output.to_pyarrow(py)
    }
}

/// Loads the model a URI names and makes the spec it is scored with.
#[pyfunction]
#[pyo3(signature = (uri, *, engine=None, compat=None, params=None, model_config=None, predict_fn=None, env_manager=None,
    extra_env=None, result_schema=None, time_zone=None, python=None))]
#[expect(clippy::too_many_arguments, reason = "Python's keyword arguments")]
pub fn make_spec(
    py: Python<'_>,
    uri: String,
    engine: Option<&str>,
    compat: Option<&str>,
    params: Option<&str>,
    model_config: Option<&str>,
    predict_fn: Option<String>,
    env_manager: Option<&str>,
    extra_env: Option<HashMap<String, String>>,
    result_schema: Option<Vec<u8>>,
    time_zone: Option<String>,
    python: Option<PathBuf>,
) -> PyResult<Spec> {
    let asked = Asked { engine, compat, params, model_config, predict_fn, env_manager, time_zone };
    py.detach(|| {
        let (load, score) = asked.options()?;
        plan(uri, load, score, extra_env.unwrap_or_default(), result_schema.unwrap_or_default(), python)
    })
    .or_raise()
}

/// Options as text, as Python gives them.
#[derive(Default)]
pub struct Asked<'a> {
    pub engine: Option<&'a str>,
    pub compat: Option<&'a str>,
    pub params: Option<&'a str>,
    pub model_config: Option<&'a str>,
    pub predict_fn: Option<String>,
    pub env_manager: Option<&'a str>,
    pub time_zone: Option<String>,
}

impl Asked<'_> {
    /// The same as the library's options.
    pub fn options(&self) -> Result<(LoadOptions, ScoreOptions)> {
        let load = LoadOptions {
            engine: spec::parse_engine(self.engine.unwrap_or_default())?,
            env_manager: spec::parse_env_manager(self.env_manager.unwrap_or_default())?,
            model_config: self.model_config.map(|text| object("model_config", text)).transpose()?,
            predict_fn: self.predict_fn.clone(),
            ..LoadOptions::default()
        };
        let score = ScoreOptions {
            compat: match self.compat {
                None | Some("") => Compat::Exact,
                Some("mlflow") => Compat::Mlflow,
                Some(other) => {
                    return Err(Error::new(Kind::InvalidArgument, "UNKNOWN_VALUE", format!("compat '{other}' is not known"))
                        .expected("\"mlflow\""));
                }
            },
            params: self.params.map(|text| object("params", text)).transpose()?.unwrap_or_default(),
            time_zone: self.time_zone.clone(),
            ..ScoreOptions::default()
        };
        Ok((load, score))
    }
}

/// Parses a JSON object.
pub fn object(key: &str, text: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(Kind::InvalidArgument, "BAD_JSON", format!("{key} is not a JSON object: {error}")).source(error)
    })
}

fn plan(
    uri: String,
    load: LoadOptions,
    score: ScoreOptions,
    extra_env: HashMap<String, String>,
    result_schema: Vec<u8>,
    python: Option<PathBuf>,
) -> Result<Spec> {
    let asked = !result_schema.is_empty();
    let request = Request { uri, load, score, extra_env: extra_env.into_iter().collect(), ..Request::default() };
    let mut spec = ScoreSpec { result_schema, ..spec::from_request(&request)? };
    // The driver's own interpreter only serves to load the model here: executors have theirs.
    let here =
        LoadOptions { python: PythonRuntime { executable: python, ..PythonRuntime::default() }, ..spec::options(&spec)?.0 };
    let loaded = LoadedModel::load(&spec.uri, &here)?;
    let scorer = loaded.scorer(spec::options(&spec)?.1)?;
    let signature = &loaded.mlmodel.signature;
    let input = scorer.input();
    let inputs = inputs(&loaded, input.as_ref());
    spec.digest = store::digest(&loaded.directory)?.to_string();
    spec.signature = signature.to_json();
    spec.input_names = inputs.names.clone().unwrap_or_default();
    Ok(Spec {
        output: Arc::new(Schema::new(vec![scorer.output()])),
        output_source: match (asked, &signature.outputs, loaded.loaded.model.output()) {
            (true, ..) => "asked",
            (_, Some(_), _) => "signature",
            (_, _, Some(_)) => "model",
            _ => "default",
        },
        digest: spec.digest.clone(),
        model_dir: loaded.directory.clone(),
        engine: spec::engine_name(loaded.loaded.engine),
        reason: loaded.loaded.reason.clone(),
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
