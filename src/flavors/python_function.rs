//! The python_function flavor: whatever MLflow's `pyfunc` can load, scored by Python workers.

use std::path::{Component, Path, PathBuf};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use serde_yaml::{Mapping, Value};

use super::{
    EnvManager, LoadOptions,
    common::{files, keys},
};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::{ColumnType, MlModel, SchemaSpec, json},
    python::{Environment, Manager, Pool, PoolOptions, Program, Request, Restored, Tensor},
    score::{Context, Model, Session, SessionOptions},
};

/// Name of the flavor.
pub const NAME: &str = keys::PYTHON_FUNCTION;

/// The remedy for a model without python_function, which Python cannot load.
pub(super) const ADD: &str = "save it again with an MLflow flavor that adds python_function, as save_model and log_model do";

/// The flavor's keys, or an error with the `reason` why they are needed.
pub(super) fn flavor<'a>(mlmodel: &'a MlModel, directory: &Path, reason: &str) -> Result<&'a Mapping> {
    mlmodel.flavor(NAME).ok_or_else(|| {
        let directory = directory.display();
        let message =
            format!("the model in '{directory}' has no flavor python_function, which says how Python loads it ({reason})");
        let flavors: Vec<&str> = mlmodel.flavor_names().collect();
        Error::new(Kind::InvalidModel, "NO_USABLE_FLAVOR", message)
            .expected("python_function, or a flavor that is scored natively")
            .found(flavors.join(", "))
            .remedy(ADD)
    })
}

/// Refuses a model whose files are missing or were left in Git LFS, before a worker is started in vain.
pub fn check(mlmodel: &MlModel, directory: &Path) -> Result<()> {
    let Some(flavor) = mlmodel.flavor(NAME) else { return Ok(()) };
    for key in ["data", "model_path", "python_model"] {
        let Some(path) = flavor.get(key).and_then(Value::as_str) else { continue };
        let path = PathBuf::from(inside(directory, key, path)?);
        match path.is_dir() {
            true => files::refuse_pointers(&path)?,
            false => files::refuse_pointer(&path)?,
        }
    }
    Ok(())
}

/// A model that is scored by a pool of workers.
pub struct PythonFunction {
    pool: std::sync::Arc<Pool>,
    /// The names of params of type datetime.
    datetimes: Vec<String>,
}

impl PythonFunction {
    /// Reads the flavor's keys. No Python runs before the first batch, or [`Model::warm`].
    pub fn load(mlmodel: &MlModel, directory: &Path, options: &LoadOptions) -> Result<Self> {
        let flavor = flavor(mlmodel, directory, "Python was asked for")?;
        check(mlmodel, directory)?;
        let environment = environment(flavor, directory, options);
        if let Environment::Local(_) = environment {
            environment.interpreter(&Context::default())?;
        }
        let mut pool = PoolOptions::from_env()?;
        if let Some(workers) = options.python.workers {
            pool.workers = workers;
        }
        let program = program(mlmodel, flavor, directory, options)?;
        let datetimes = mlmodel.signature.params.iter().flatten();
        let datetimes = datetimes.filter(|param| param.kind == ColumnType::Datetime).map(|param| param.name.clone()).collect();
        let pool = Pool::new(environment, &program, options.python.env.clone(), pool)?;
        Ok(Self { pool: std::sync::Arc::new(pool), datetimes })
    }
}

impl Model for PythonFunction {
    fn input(&self) -> Option<SchemaRef> {
        None
    }

    fn output(&self) -> Option<DataType> {
        None
    }

    fn memory(&self) -> usize {
        self.pool.memory()
    }

    /// Starts a worker and loads the model in it.
    fn warm(&self, context: &Context) -> Result<()> {
        self.pool.warm(context)
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let request = Request::new(options, &self.datetimes)?;
        Ok(Box::new(PythonSession { pool: self.pool.clone(), request }))
    }
}

struct PythonSession {
    pool: std::sync::Arc<Pool>,
    request: Request,
}

impl Session for PythonSession {
    fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        self.pool.score(&self.request, batch, context)
    }
}

fn invalid(key: &str, message: impl std::fmt::Display) -> Error {
    Error::new(Kind::InvalidModel, "MLMODEL_INVALID", format!("flavor python_function, key '{key}': {message}"))
}

fn text<'a>(flavor: &'a Mapping, key: &str) -> Result<Option<&'a str>> {
    match flavor.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(key, "expected text")),
    }
}

/// A path in the model's directory.
fn inside(directory: &Path, key: &str, path: &str) -> Result<String> {
    if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(invalid(key, format!("'{path}' leaves the model's directory")));
    }
    utf8(directory.join(path))
}

fn utf8(path: PathBuf) -> Result<String> {
    path.into_os_string()
        .into_string()
        .map_err(|path| Error::new(Kind::InvalidArgument, "PATH_NOT_UTF8", format!("the path {} is not UTF-8", path.display())))
}

fn program(mlmodel: &MlModel, flavor: &Mapping, directory: &Path, options: &LoadOptions) -> Result<Program> {
    let directory = directory.canonicalize().map_err(|error| Error::io(directory, error))?;
    let loader = text(flavor, "loader_module")?.or(text(flavor, "main")?).ok_or_else(|| invalid("loader_module", "missing"))?;
    let data = match text(flavor, "data")? {
        Some(path) => inside(&directory, "data", path)?,
        None => utf8(directory.clone())?,
    };
    let code = text(flavor, "code")?.map(|path| inside(&directory, "code", path)).transpose()?;
    let config = match flavor.get("config") {
        None | Some(Value::Null) => None,
        Some(value) => Some(serde_json::to_value(value).map_err(|error| invalid("config", error))?),
    };
    let inputs = mlmodel.signature.inputs.as_ref();
    let tensors = match inputs {
        Some(SchemaSpec::Tensors(specs)) => {
            let tensor = |spec: &crate::mlmodel::TensorSpec| Tensor {
                name: spec.name.clone(),
                dtype: spec.dtype.clone(),
                shape: spec.shape.clone(),
            };
            Some(specs.iter().map(tensor).collect())
        }
        _ => None,
    };
    let is_true = |key: &str| mlmodel.rest.get(key).and_then(Value::as_bool).unwrap_or(false);
    Ok(Program {
        loader: loader.into(),
        data,
        // What JSON has no form for is no key that a loader reads.
        flavors: mlmodel
            .flavor_names()
            .filter_map(|name| Some((name.to_owned(), serde_json::to_value(mlmodel.flavor(name)?).ok()?)))
            .collect(),
        code,
        path: options.python.path.iter().cloned().map(utf8).collect::<Result<_>>()?,
        config,
        overrides: options.model_config.clone(),
        predict_fn: match &options.predict_fn {
            Some(name) => Some(name.clone()),
            None => text(flavor, "predict_fn")?.map(str::to_owned),
        },
        unnamed: matches!(inputs, Some(SchemaSpec::Columns(columns)) if columns.iter().all(|column| column.name.is_none())),
        columns: match inputs {
            Some(SchemaSpec::Columns(_)) => mlmodel.signature.inputs_json().and_then(|text| json::parse(&text).ok()),
            _ => None,
        },
        tensors,
        example: is_true("type_hint_from_example"),
        directory: utf8(directory)?,
    })
}

fn environment(flavor: &Mapping, directory: &Path, options: &LoadOptions) -> Environment {
    let manager = match options.env_manager {
        EnvManager::Local => return Environment::Local(options.python.executable.clone()),
        EnvManager::Virtualenv => Manager::Virtualenv,
        EnvManager::Uv => Manager::Uv,
        EnvManager::Conda => Manager::Conda,
    };
    let there = |name: &str| directory.join(name).is_file().then(|| name.to_owned());
    let named = |kind: &str, name: &str| match flavor.get("env") {
        Some(Value::Mapping(env)) => env.get(kind).and_then(Value::as_str).and_then(there).or_else(|| there(name)),
        Some(Value::String(conda)) if kind == "conda" => there(conda).or_else(|| there(name)),
        _ => there(name),
    };
    let python = flavor.get("python_version").map(|version| match version {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    });
    Environment::Restored(Restored {
        manager,
        directory: directory.to_owned(),
        python_env: named("virtualenv", "python_env.yaml"),
        conda: named("conda", "conda.yaml"),
        python,
        cache: Restored::cache(),
    })
}
