//! Environments restored from a model's own files: built once a host, shared by content, with errors that name what is missing.

use std::{fs, path::Path, thread, time::Instant};

use mlflight::{
    error::{Error, Kind},
    flavors::{EnvManager, LoadOptions, python_function::PythonFunction},
    mlmodel::MlModel,
    python::{Environment, Manager, PoolOptions, Restored},
    score::{CancelFlag, Context, Model},
};

use crate::support::{
    self,
    python::{LONG, PyModel, first_text, request, rows},
};

/// A model that needs `six` of exactly one version, and tells where it found it.
const NEEDS_SIX: &str = "
import six, sys
class Model:
    def predict(self, df):
        return [f'{six.__version__} {sys.prefix}'] * len(df)
def _load_pyfunc(path):
    return Model()
";

fn version() -> String {
    let program = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
    let output = std::process::Command::new(support::python()).args(["-c", program]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn model(python: &str, requirements: &str) -> PyModel {
    let model = PyModel::new(NEEDS_SIX);
    let file = format!("python: {python}\nbuild_dependencies: []\ndependencies:\n- -r requirements.txt\n");
    fs::write(model.path().join("python_env.yaml"), file).unwrap();
    fs::write(model.path().join("requirements.txt"), requirements).unwrap();
    model
}

fn restored(model: &PyModel, manager: Manager, cache: &Path) -> Environment {
    Environment::Restored(Restored {
        manager,
        directory: model.path().to_owned(),
        python_env: Some("python_env.yaml".into()),
        conda: None,
        python: None,
        cache: cache.to_owned(),
    })
}

fn within(seconds: u64) -> Context {
    Context::default().with_deadline(Instant::now() + std::time::Duration::from_secs(seconds))
}

fn warm(model: &PyModel, environment: Environment) -> Error {
    model.pool(environment, PoolOptions::default()).warm(&within(LONG.as_secs())).unwrap_err()
}

fn builds_once_and_is_shared(manager: Manager) {
    let cache = tempfile::tempdir().unwrap();
    // Two models that need the same, at the same time, and what a killed build of theirs would have left behind.
    let models = [(); 2].map(|()| model(&version(), "six==1.16.0\n"));
    let answers = thread::scope(|scope| {
        let jobs = models.each_ref().map(|model| {
            scope.spawn(|| {
                let pool =
                    model.pool(restored(model, manager, cache.path()), PoolOptions { workers: 1, ..PoolOptions::default() });
                first_text(&pool.score(&request(), &rows(), &within(1200)).unwrap(), "0")
            })
        });
        jobs.map(|job| job.join().unwrap())
    });
    assert_eq!(answers[0], answers[1]);
    let prefix = answers[0].strip_prefix("1.16.0 ").expect("another six");
    assert!(Path::new(prefix).starts_with(cache.path().canonicalize().unwrap()), "{prefix} is not in the cache");
    let built = || fs::read_dir(cache.path()).unwrap().flatten().filter(|entry| entry.path().is_dir()).count();
    assert_eq!(built(), 1);

    // An environment without its mark was never finished: it is made again.
    let mark = Path::new(prefix).join(".mlflight-complete");
    fs::remove_file(&mark).unwrap();
    let leftover = Path::new(prefix).join("half-built");
    fs::write(&leftover, "").unwrap();
    let pool = models[0].pool(restored(&models[0], manager, cache.path()), PoolOptions::default());
    pool.warm(&within(1200)).unwrap();
    assert!(mark.exists() && !leftover.exists());
    assert_eq!(built(), 1);
}

#[test]
fn virtualenv_builds_once_and_is_shared() {
    builds_once_and_is_shared(Manager::Virtualenv);
}

#[test]
fn uv_builds_once_and_is_shared() {
    let has_uv = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|path| path.join("uv").is_file());
    if has_uv {
        builds_once_and_is_shared(Manager::Uv);
    } else {
        let cache = tempfile::tempdir().unwrap();
        let model = model(&version(), "six==1.16.0\n");
        let error = warm(&model, restored(&model, Manager::Uv, cache.path()));
        assert_eq!((error.kind(), error.code()), (Kind::FailedPrecondition, "UV_NOT_FOUND"));
    }
}

#[test]
fn a_python_that_is_not_there_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let model = model("2.9.4", "six==1.16.0\n");
    let error = warm(&model, restored(&model, Manager::Virtualenv, cache.path()));
    assert_eq!((error.kind(), error.code()), (Kind::FailedPrecondition, "PYTHON_NOT_FOUND"));
    assert!(error.to_string().contains("saved with Python 2.9.4, and there is no Python 2.9 "), "{error}");
}

#[test]
fn a_failed_build_says_why_and_is_not_tried_again_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let model = model(&version(), "./is-not-there\n");
    let first = warm(&model, restored(&model, Manager::Virtualenv, cache.path()));
    assert_eq!((first.kind(), first.code()), (Kind::FailedPrecondition, "ENVIRONMENT_BUILD"));
    let end = first.traceback_text().unwrap();
    assert!(end.contains("is-not-there") && (2..=20).contains(&end.lines().count()), "{first:?}");
    let log = first.message().split('\'').find(|part| part.ends_with(".log")).unwrap();
    let whole = fs::read_to_string(log).unwrap();
    assert!(whole.trim_end().ends_with(end.lines().last().unwrap().trim_end()), "{whole}");
    let left = || fs::read_dir(cache.path()).unwrap().flatten().filter(|entry| entry.path().is_dir()).count();
    assert_eq!(left(), 0);
    let started = Instant::now();
    let second = warm(&model, restored(&model, Manager::Virtualenv, cache.path()));
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    assert!(started.elapsed().as_secs() < 1, "it was built again");
}

#[test]
fn a_cancelled_wait_ends_the_build() {
    let cache = tempfile::tempdir().unwrap();
    let model = model(&version(), "six==1.16.0\n");
    let cancel = CancelFlag::default();
    cancel.cancel();
    let pool = model.pool(restored(&model, Manager::Virtualenv, cache.path()), PoolOptions::default());
    assert_eq!(pool.warm(&Context::new(cancel)).unwrap_err().kind(), Kind::Cancelled);
}

#[test]
fn conda_is_asked_for_only_where_it_is() {
    let has_conda = std::env::var_os("CONDA_EXE").is_some()
        || ["conda", "mamba", "micromamba"]
            .iter()
            .any(|name| std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|path| path.join(name).is_file()));
    if has_conda {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let model = model(&version(), "six==1.16.0\n");
    fs::write(model.path().join("conda.yaml"), format!("dependencies:\n- python={}\n", version())).unwrap();
    let error = warm(&model, restored(&model, Manager::Conda, cache.path()));
    assert_eq!((error.kind(), error.code()), (Kind::FailedPrecondition, "CONDA_NOT_FOUND"));
}

#[test]
fn the_flavor_hands_its_environment_over() {
    let model = model("2.9.4", "");
    let options = LoadOptions { env_manager: EnvManager::Virtualenv, ..PyModel::options() };
    let loaded = PythonFunction::load(&MlModel::load(model.path()).unwrap(), model.path(), &options).unwrap();
    let error = loaded.warm(&Context::default()).unwrap_err();
    assert!(error.to_string().contains("Python 2.9"), "{error}");
}
