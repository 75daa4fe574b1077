//! How a model is loaded: who scores it, and which Python that means.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::config::named_values;

/// Which engine scores a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// Native when every part of the model has a kernel that agrees with its library, else Python.
    #[default]
    Auto,
    /// Rust kernels or an error.
    Native,
    /// Python workers, whatever the flavor.
    Python,
}

named_values!(Engine, "engine", { Auto => "auto", Native => "native", Python => "python" });

/// How a Python model's environment is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EnvManager {
    /// The interpreter of [`PythonRuntime`], with whatever packages it has.
    #[default]
    Local,
    /// A virtualenv built from the model's own files with pip.
    Virtualenv,
    /// The same built by uv.
    Uv,
    /// A conda environment built from `conda.yaml`.
    Conda,
}

named_values!(EnvManager, "env_manager", { Local => "local", Virtualenv => "virtualenv", Uv => "uv", Conda => "conda" });

/// The interpreter of a `local` environment and its settings. Only from trusted callers, as it can execute anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PythonRuntime {
    /// The interpreter; `None`: VIRTUAL_ENV's, else `python3` on PATH.
    pub executable: Option<PathBuf>,
    /// Directories put on `sys.path`, before the model's own code.
    pub path: Vec<PathBuf>,
    /// Environment variables of the workers.
    pub env: Vec<(String, String)>,
    /// How many worker processes may run at once; `None`: as many as there are cores.
    pub workers: Option<usize>,
}

/// How to load a model. Two loads with equal options and digest are the same loaded model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoadOptions {
    /// Native, Python, or whichever agrees.
    pub engine: Engine,
    /// Where a Python model's packages come from.
    pub env_manager: EnvManager,
    /// Overrides the flavor's `config`.
    pub model_config: Option<Map<String, Value>>,
    /// Overrides the python_function flavor's `predict_fn`.
    pub predict_fn: Option<String>,
    /// The interpreter and its surroundings.
    pub python: PythonRuntime,
    /// Inference params that are known when the model is loaded: with `auto`, a model whose kernel lacks one of them is left to Python.
    pub params: Map<String, Value>,
    /// Refuses models that run code of their own, as `MLFLOW_ALLOW_MODEL_CODE_EXECUTION=false` does for the whole process.
    pub forbid_code: bool,
}
