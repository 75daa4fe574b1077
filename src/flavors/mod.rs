//! Flavor loaders: an MLmodel and its directory become a [`Model`]. The registry decides native or Python, and says why.

mod common;
mod lightgbm;
mod options;
pub mod python_function;
mod sklearn;
mod xgboost;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::options::{Engine, EnvManager, LoadOptions, PythonRuntime};
use crate::{
    config,
    error::{Error, Kind, Result},
    kernels,
    mlmodel::MlModel,
    score::{Model, SessionOptions, params},
};
use common::obstacle::{NeedsPython, Obstacle};

/// A loaded model and the reason for its engine.
pub struct Loaded {
    /// The model.
    pub model: Arc<dyn Model>,
    /// `Native` or `Python`, never `Auto`.
    pub engine: Engine,
    /// The flavor that scores.
    pub flavor: String,
    /// Why this engine, in one line for `inspect`.
    pub reason: String,
}

/// Makes a model of a directory, or says why Python has to score it.
type Load = fn(&MlModel, &Path, &LoadOptions) -> Result<Arc<dyn Model>, Obstacle>;

/// A flavor that is scored natively.
struct Flavor {
    /// Its name in the MLmodel.
    name: &'static str,
    load: Load,
    /// Qualified names of every class and function that the model's pickle refers to, sorted. Runs nothing.
    globals: fn(&MlModel, &Path) -> Result<Vec<String>>,
}

/// The native flavors, in the order in which they are tried.
const NATIVE: [Flavor; 3] = [
    Flavor { name: xgboost::NAME, load: xgboost::load, globals: xgboost::globals },
    Flavor { name: lightgbm::NAME, load: lightgbm::load, globals: lightgbm::globals },
    Flavor { name: sklearn::NAME, load: sklearn::load, globals: sklearn::globals },
];

/// The native flavors that a model has.
fn native(mlmodel: &MlModel) -> impl Iterator<Item = &'static Flavor> {
    NATIVE.iter().filter(|flavor| mlmodel.flavor(flavor.name).is_some())
}

/// Loads the model in `directory`.
pub fn load(mlmodel: &MlModel, directory: &Path, options: &LoadOptions) -> Result<Loaded> {
    let reason = match options.engine {
        Engine::Python => "Python was asked for".to_owned(),
        Engine::Auto | Engine::Native => match load_native(mlmodel, directory, options) {
            Ok(loaded) => return Ok(loaded),
            Err(obstacle) => obstacle.reason()?,
        },
    };
    if options.engine == Engine::Native {
        let error = Error::new(Kind::Unimplemented, "NEEDS_PYTHON", format!("the model cannot be scored natively: {reason}"));
        return Err(match mlmodel.flavor(python_function::NAME) {
            Some(_) => error.remedy("load it with engine=\"python\""),
            None => error.remedy(python_function::ADD),
        });
    }
    load_python(mlmodel, directory, options, reason)
}

/// Which engine scores the model and why, for `inspect`; an error where none can. Reads the model's files, runs none of its code.
pub fn explain(mlmodel: &MlModel, directory: &Path) -> Result<(Engine, String)> {
    let reason = match load_native(mlmodel, directory, &LoadOptions::default()) {
        Ok(loaded) => return Ok((Engine::Native, loaded.reason)),
        Err(obstacle) => obstacle.reason()?,
    };
    python_function::flavor(mlmodel, directory, &reason)?;
    python_function::check(mlmodel, directory)?;
    Ok((Engine::Python, reason))
}

/// Paths in a model's directory that [`explain`] and [`globals`] may read, beside what describes its environment.
pub fn read_natively(mlmodel: &MlModel) -> Vec<PathBuf> {
    let keys = native(mlmodel).filter_map(|flavor| mlmodel.flavor(flavor.name));
    let named = keys.flat_map(|keys| keys.values().filter_map(|value| value.as_str()));
    let mut paths: Vec<PathBuf> = named.map(PathBuf::from).collect();
    // Older models name their file there alone.
    if !paths.is_empty()
        && let Ok(Some(python)) = mlmodel.python_function()
    {
        paths.extend([python.data, python.model_path].into_iter().flatten().map(PathBuf::from));
    }
    paths
}

/// Qualified names of every class and function that the model's pickle or skops archive refers to, sorted. Runs none of its code.
pub fn globals(mlmodel: &MlModel, directory: &Path) -> Vec<String> {
    // A file that cannot be read is reported by [`explain`].
    let mut names: Vec<String> =
        native(mlmodel).flat_map(|flavor| (flavor.globals)(mlmodel, directory).unwrap_or_default()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Loads the model by the first native flavor that takes it, or says why none does. This is the only place that decides between the
/// engines and makes the reason that users see.
fn load_native(mlmodel: &MlModel, directory: &Path, options: &LoadOptions) -> Result<Loaded, Obstacle> {
    let mut reasons = Vec::new();
    for flavor in native(mlmodel) {
        // A kernel path that this CPU cannot run is refused for every model, even if its kernels have only one.
        kernels::Path::choose().map_err(Obstacle::Broken)?;
        let name = flavor.name;
        let model = match (flavor.load)(mlmodel, directory, options) {
            Ok(model) => model,
            Err(obstacle) => {
                reasons.push(format!("{name}: {}", obstacle.reason().map_err(Obstacle::Broken)?));
                continue;
            }
        };
        match lacking(mlmodel, &*model, options).map_err(Obstacle::Broken)? {
            Some(reason) => reasons.push(format!("{name}: {reason}")),
            None => {
                let reason = format!("{name} has a native kernel");
                return Ok(Loaded { model, engine: Engine::Native, flavor: name.into(), reason });
            }
        }
    }
    if reasons.is_empty() {
        let names = mlmodel.flavors.keys().filter_map(|name| name.as_str());
        let others: Vec<&str> = names.filter(|name| *name != python_function::NAME).collect();
        reasons.push(match others.is_empty() {
            true => "python_function runs in Python".into(),
            false => format!("no native kernel for {}", others.join(", ")),
        });
    }
    Err(Obstacle::Python(reasons.join("; ")))
}

/// Why a native model cannot be scored with the params that are known, if it cannot.
fn lacking(mlmodel: &MlModel, model: &dyn Model, options: &LoadOptions) -> Result<Option<NeedsPython>> {
    let Some(schema) = &mlmodel.signature.params else { return Ok(None) };
    let mut given = options.params.clone();
    given.retain(|name, _| schema.iter().any(|spec| spec.name == *name));
    let params = params::bind(Some(schema), &given)?;
    match model.session(&SessionOptions { params, ..SessionOptions::default() }) {
        Err(error) if error.kind() == Kind::Unimplemented => Ok(Some(error.message().to_owned())),
        // Defaults that are refused may still be replaced by other values.
        Err(error) if !given.is_empty() => Err(error),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// The fallback to Python workers. Only here a model's own code may begin to run, so only here it is checked whether that is
/// allowed.
fn load_python(mlmodel: &MlModel, directory: &Path, options: &LoadOptions, reason: NeedsPython) -> Result<Loaded> {
    python_function::flavor(mlmodel, directory, &reason)?;
    if options.forbid_code || !config::model_code_allowed()? {
        return Err(Error::new(
            Kind::PermissionDenied,
            "CODE_FORBIDDEN",
            format!("scoring this model runs its own Python code ({reason}), which is not allowed here"),
        )
        .remedy("allow it (MLFLOW_ALLOW_MODEL_CODE_EXECUTION, --no-code-execution), or use a model that is scored natively"));
    }
    let model = python_function::PythonFunction::load(mlmodel, directory, options)?;
    Ok(Loaded { model: Arc::new(model), engine: Engine::Python, flavor: python_function::NAME.into(), reason })
}
