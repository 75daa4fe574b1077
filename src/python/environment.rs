//! Which interpreter runs a model: the one that is there, or one of an environment restored from the model's own files.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use serde_yaml::{Mapping, Value};

use super::build;
use crate::{
    error::{Error, Kind, Result},
    file,
    score::Context,
};

/// Largest file that says what an environment consists of.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// Tool that restores an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// `venv` and pip.
    Virtualenv,
    /// uv.
    Uv,
    /// conda, mamba or micromamba.
    Conda,
}

/// An environment to be restored from a model's files, once a host, shared by models that ask for the same.
#[derive(Debug, Clone)]
pub struct Restored {
    /// Who restores it.
    pub manager: Manager,
    /// The model's directory.
    pub directory: PathBuf,
    /// Name of its `python_env.yaml`, when it has one.
    pub python_env: Option<String>,
    /// Name of its `conda.yaml`, when it has one.
    pub conda: Option<String>,
    /// The Python that saved the model, where no file says it.
    pub python: Option<String>,
    /// Where environments are kept; see [`Restored::cache`].
    pub cache: PathBuf,
}

impl Restored {
    /// Where environments are kept: `MLFLIGHT_ENV_DIR`, else `mlflight/envs` in the user's cache directory.
    pub fn cache() -> PathBuf {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set("MLFLIGHT_ENV_DIR").unwrap_or_else(|| {
            let user = set("XDG_CACHE_HOME").or_else(|| Some(env::home_dir()?.join(".cache")));
            user.unwrap_or_else(env::temp_dir).join("mlflight/envs")
        })
    }
}

/// Where a model's interpreter comes from.
#[derive(Debug, Clone)]
pub enum Environment {
    /// This interpreter; `None`: VIRTUAL_ENV's, else `python3` on PATH.
    Local(Option<PathBuf>),
    /// One made for the model.
    Restored(Restored),
}

impl Environment {
    /// The interpreter; builds the environment first where that was not done yet on this host.
    pub fn interpreter(&self, context: &Context) -> Result<PathBuf> {
        match self {
            Self::Local(Some(path)) => {
                let found = if path.components().count() > 1 { path.is_file().then(|| path.clone()) } else { on_path(path) };
                found.ok_or_else(|| missing(format!("there is no Python interpreter at '{}'", path.display())))
            }
            Self::Local(None) => env::var_os("VIRTUAL_ENV")
                .map(|root| Path::new(&root).join("bin/python"))
                .filter(|path| path.is_file())
                .or_else(|| on_path("python3"))
                .ok_or_else(|| {
                    missing("there is no Python interpreter: VIRTUAL_ENV is not set and python3 is not on PATH".into())
                }),
            Self::Restored(restored) => build::interpreter(restored, context),
        }
    }

    /// Whether the interpreter must not see this process's own Python settings.
    pub(super) fn is_isolated(&self) -> bool {
        matches!(self, Self::Restored(_))
    }
}

fn missing(message: String) -> Error {
    Error::new(Kind::FailedPrecondition, "PYTHON_NOT_FOUND", message).remedy("install Python 3, or name the interpreter to use")
}

/// The program of that name on PATH.
pub(super) fn on_path(name: impl AsRef<Path>) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name.as_ref())).find(|path| path.is_file())
}

/// What an environment consists of.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Contents {
    /// Version of Python as the model's files name it.
    pub(super) python: String,
    /// Packages to install first.
    pub(super) build: Vec<String>,
    /// Packages, or `-r file` lines relative to the model's directory.
    pub(super) packages: Vec<String>,
}

impl Contents {
    /// `major.minor` of the Python.
    pub(super) fn minor(&self) -> String {
        self.python.split('.').take(2).collect::<Vec<_>>().join(".")
    }

    /// Reads `python_env.yaml`, else `conda.yaml`, else `requirements.txt`.
    pub(super) fn read(restored: &Restored) -> Result<Self> {
        let fallback = restored.python.clone().unwrap_or_default();
        let mut contents = if let Some(name) = &restored.python_env {
            Self::from_python_env(&load(&restored.directory, name)?)
        } else if let Some(name) = &restored.conda {
            let (contents, left_out) = Self::from_conda(&load(&restored.directory, name)?);
            // Conda itself installs them.
            if restored.manager != Manager::Conda && !left_out.is_empty() {
                tracing::warn!(
                    packages = left_out.join(", "),
                    "packages that only conda installs are left out of an environment made by {}: env_manager conda installs them",
                    if restored.manager == Manager::Uv { "uv" } else { "pip" },
                );
            }
            contents
        } else {
            Self { packages: vec!["-r requirements.txt".into()], ..Self::default() }
        };
        if contents.python.is_empty() {
            contents.python = fallback;
        }
        if contents.python.split('.').filter(|part| part.parse::<u16>().is_ok()).count() < 2 {
            return Err(Error::new(
                Kind::InvalidModel,
                "ENVIRONMENT_INVALID",
                format!("the model's environment names no Python version (found '{}')", contents.python),
            ));
        }
        Ok(contents)
    }

    fn from_python_env(yaml: &Mapping) -> Self {
        Self {
            python: yaml.get("python").map(scalar).unwrap_or_default(),
            build: strings(yaml.get("build_dependencies")),
            packages: strings(yaml.get("dependencies")),
        }
    }

    /// What `conda.yaml` says, and the packages in it that are conda's alone.
    fn from_conda(yaml: &Mapping) -> (Self, Vec<String>) {
        let mut contents = Self::default();
        let mut left_out = Vec::new();
        for item in yaml.get("dependencies").and_then(Value::as_sequence).into_iter().flatten() {
            if let Value::Mapping(map) = item {
                contents.packages.extend(strings(map.get("pip")));
                continue;
            }
            let text = scalar(item);
            let text = text.rsplit("::").next().unwrap_or_default().trim();
            let name: String = text.chars().take_while(|c| c.is_alphanumeric() || "-_.".contains(*c)).collect();
            match name.as_str() {
                "python" => contents.python = text[name.len()..].trim_start_matches(['=', '~', '>', '<', ' ']).to_owned(),
                "pip" | "setuptools" | "wheel" => contents.build.push(pip_form(&name, &text[name.len()..])),
                _ => left_out.push(text.to_owned()),
            }
        }
        (contents, left_out)
    }
}

/// `pip=21.0` as conda writes it is `pip==21.0` for pip.
fn pip_form(name: &str, version: &str) -> String {
    match version.strip_prefix('=') {
        Some(rest) if !rest.starts_with('=') => format!("{name}=={}", rest.split('=').next().unwrap_or_default()),
        _ => format!("{name}{version}"),
    }
}

fn load(directory: &Path, name: &str) -> Result<Mapping> {
    let path = directory.join(name);
    let bytes = file::read(&path, MAX_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Error::new(Kind::InvalidModel, "ENVIRONMENT_INVALID", format!("{} is not UTF-8 text", path.display())).source(error)
    })?;
    serde_yaml::from_str(&text)
        .map_err(|error| Error::new(Kind::InvalidModel, "ENVIRONMENT_INVALID", format!("{}: {error}", path.display())))
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_sequence).into_iter().flatten().map(scalar).filter(|text| !text.is_empty()).collect()
}

/// An interpreter of exactly this minor version: on PATH, in pyenv, or known to uv.
pub(super) fn find_python(version: &str, minor: &str, uv: Option<&Path>) -> Result<PathBuf> {
    let mut candidates: Vec<PathBuf> = Vec::new();
    let pyenv = env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".pyenv")));
    let mut installed: Vec<PathBuf> = pyenv
        .and_then(|root| std::fs::read_dir(root.join("versions")).ok())
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    installed.sort();
    let exact = installed.iter().filter(|path| path.ends_with(version));
    candidates.extend(exact.map(|path| path.join("bin/python")));
    candidates.extend(on_path(format!("python{minor}")));
    let prefix = format!("{minor}.");
    let same_minor = installed
        .iter()
        .rev()
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix)));
    candidates.extend(same_minor.map(|path| path.join("bin/python")));
    candidates.extend(on_path("python3"));
    candidates.extend(on_path("python"));
    let program = "import sys; print('%d.%d' % sys.version_info[:2])";
    let is_right = |path: &PathBuf| {
        let output = Command::new(path).args(["-I", "-c", program]).output();
        output.is_ok_and(|output| output.status.success() && String::from_utf8_lossy(&output.stdout).trim() == minor)
    };
    candidates
        .into_iter()
        .find(is_right)
        .or_else(|| {
            let output = Command::new(uv?).args(["python", "find", "--no-project", minor]).output().ok()?;
            let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
            (output.status.success() && is_right(&path)).then_some(path)
        })
        .ok_or_else(|| {
            let text = format!(
                "the model was saved with Python {version}, and there is no Python {minor} on PATH, in pyenv or known to uv"
            );
            Error::new(Kind::FailedPrecondition, "PYTHON_NOT_FOUND", text)
                .remedy(format!("install Python {minor} (`pyenv install {minor}` or `uv python install {minor}`)"))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn python_env_is_read() {
        let yaml = "python: 3.12.1\nbuild_dependencies:\n- pip==24.0\n- wheel\ndependencies:\n- -r requirements.txt\n";
        let contents = Contents::from_python_env(&serde_yaml::from_str(yaml).unwrap());
        assert_eq!(contents.minor(), "3.12");
        assert_eq!(contents.build, ["pip==24.0", "wheel"]);
        assert_eq!(contents.packages, ["-r requirements.txt"]);
    }

    #[test]
    fn conda_files_of_every_age_are_read() {
        let yaml = "channels:\n- defaults\ndependencies:\n- python=3.6.4\n- conda-forge::pip=21.2\n- scikit-learn=0.19.1\n\
                    - pip:\n  - mlflow==0.8.2\n  - cloudpickle\nname: mlflow-env\n";
        let (contents, left_out) = Contents::from_conda(&serde_yaml::from_str(yaml).unwrap());
        assert_eq!(contents.python, "3.6.4");
        assert_eq!(left_out, ["scikit-learn=0.19.1"]);
        assert_eq!(contents.build, ["pip==21.2"]);
        assert_eq!(contents.packages, ["mlflow==0.8.2", "cloudpickle"]);
        let unquoted = Contents::from_python_env(&serde_yaml::from_str("python: 3.9").unwrap());
        assert_eq!(unquoted.minor(), "3.9");
    }
}
