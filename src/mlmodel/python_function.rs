//! The keys of the `python_function` flavor, of every age.

use serde_yaml::{Mapping, Value};

use super::{MlModel, scalar_text, wrong_type};
use crate::error::{Error, Kind, Result};

/// The flavor that scores in Python. Paths are as the file has them: relative to the model's directory, not yet checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PythonFunction {
    /// The module whose `_load_pyfunc` loads the model.
    pub loader_module: String,
    /// What the loader is given: a path in the directory. Absent: the directory itself.
    pub data: Option<String>,
    /// Where the estimator lies, in files of MLflow 1.2x and later; beside `data`, never instead of it.
    pub model_path: Option<String>,
    /// Directory put on `sys.path` before loading.
    pub code: Option<String>,
    /// Files that describe the environment.
    pub env: EnvFiles,
    /// The attribute of the estimator to call in place of `predict`.
    pub predict_fn: Option<String>,
    /// Overrides that the model's `load_context` reads: a map, or the path of a YAML file.
    pub config: Option<Value>,
    /// The script of a model from code.
    pub model_code_path: Option<String>,
    /// Python the model was saved with (`3.12.4`).
    pub python_version: Option<String>,
    /// Whether the model can stream.
    pub streamable: bool,
    /// The pickled `PythonModel`.
    pub python_model: Option<String>,
}

/// Environment files named by the flavor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvFiles {
    /// A conda environment file. MLflow 1.x and earlier name only this one, as a plain string.
    pub conda: Option<String>,
    /// `python_env.yaml`.
    pub virtualenv: Option<String>,
}

impl MlModel {
    /// The `python_function` flavor, when the model has it; `Err` holds the error and the key path it is about.
    pub(super) fn read_python_function(&self) -> Result<Option<PythonFunction>, (Error, String)> {
        let Some(value) = self.flavors.get("python_function") else { return Ok(None) };
        let Some(keys) = value.as_mapping() else {
            return Err((wrong_type("flavors.python_function", "a map", value), "flavors.python_function".into()));
        };
        let loader_module = match text(keys, "loader_module")?.or(text(keys, "main")?) {
            Some(module) => module,
            None => {
                let error =
                    Error::new(Kind::InvalidModel, "NO_LOADER_MODULE", "key 'flavors.python_function.loader_module' is missing");
                return Err((error, "flavors.python_function".into()));
            }
        };
        let config = match keys.get("config") {
            None | Some(Value::Null) => None,
            Some(config @ (Value::Mapping(_) | Value::String(_))) => Some(config.clone()),
            Some(other) => return Err(wrong("config", "a map or a path", other)),
        };
        let streamable = match keys.get("streamable") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => return Err(wrong("streamable", "true or false", other)),
        };
        Ok(Some(PythonFunction {
            loader_module,
            data: text(keys, "data")?,
            model_path: text(keys, "model_path")?,
            code: text(keys, "code")?,
            env: env(keys)?,
            predict_fn: text(keys, "predict_fn")?,
            config,
            model_code_path: text(keys, "model_code_path")?,
            python_version: text(keys, "python_version")?,
            streamable,
            python_model: text(keys, "python_model")?,
        }))
    }

    /// The `python_function` flavor, when the model has it.
    pub fn python_function(&self) -> Result<Option<PythonFunction>> {
        self.read_python_function().map_err(|(error, _)| error)
    }
}

fn env(keys: &Mapping) -> Result<EnvFiles, (Error, String)> {
    match keys.get("env") {
        None | Some(Value::Null) => Ok(EnvFiles::default()),
        Some(Value::String(conda)) => Ok(EnvFiles { conda: Some(conda.clone()), virtualenv: None }),
        Some(Value::Mapping(files)) => {
            let file = |name: &str| match files.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(path)) => Ok(Some(path.clone())),
                Some(other) => Err(wrong(&format!("env.{name}"), "a path", other)),
            };
            Ok(EnvFiles { conda: file("conda")?, virtualenv: file("virtualenv")? })
        }
        Some(other) => Err(wrong("env", "a path or a map of paths", other)),
    }
}

fn text(keys: &Mapping, key: &str) -> Result<Option<String>, (Error, String)> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match scalar_text(value) {
            Some(text) => Ok(Some(text)),
            None => Err(wrong(key, "a string", value)),
        },
    }
}

fn wrong(key: &str, expected: &str, found: &Value) -> (Error, String) {
    let key = format!("flavors.python_function.{key}");
    (wrong_type(&key, expected, found), key)
}
