//! The files that say which Python and which packages a model needs.

use serde_yaml::{Mapping, Value};

use crate::{error::Result, mlmodel::write};

/// Conda's form of the environment.
pub const CONDA_YAML: &str = "conda.yaml";
/// The form that virtualenv and uv restore.
pub const PYTHON_ENV_YAML: &str = "python_env.yaml";
/// The packages, in pip's form.
pub const REQUIREMENTS: &str = "requirements.txt";
/// Bounds on packages that are not asked for by name.
pub const CONSTRAINTS: &str = "constraints.txt";

/// What a model needs to be loaded by Python.
#[derive(Debug, Clone, Default)]
pub struct PythonEnvironment {
    /// Version of Python: `3.12.4`.
    pub python: String,
    /// What is installed first, pinned: `pip==24.0`, `setuptools`, `wheel`.
    pub build: Vec<String>,
    /// Packages in pip's form: `pandas==3.0.0`.
    pub requirements: Vec<String>,
    /// Lines of `constraints.txt`.
    pub constraints: Vec<String>,
    /// A conda environment in place of the one that is made of `requirements`.
    pub conda: Option<Mapping>,
}

impl PythonEnvironment {
    /// The files by their names.
    pub(super) fn files(&self) -> Result<Vec<(&'static str, String)>> {
        let mut requirements = self.requirements.clone();
        let constraint = format!("-c {CONSTRAINTS}");
        if !self.constraints.is_empty() && !requirements.contains(&constraint) {
            requirements.push(constraint);
        }
        let conda = self.conda.clone().unwrap_or_else(|| self.conda_of(&requirements));
        let mut files = vec![
            (REQUIREMENTS, requirements.join("\n")),
            (CONDA_YAML, write::mapping(&conda)?),
            (PYTHON_ENV_YAML, write::mapping(&self.python_env())?),
        ];
        if !self.constraints.is_empty() {
            files.push((CONSTRAINTS, self.constraints.join("\n")));
        }
        Ok(files)
    }

    fn conda_of(&self, requirements: &[String]) -> Mapping {
        let pip = self.build.iter().find_map(|package| package.strip_prefix("pip=="));
        let pip = pip.map_or_else(|| "pip".to_owned(), |version| format!("pip<={version}"));
        let packages: Mapping = [("pip".into(), strings(requirements))].into_iter().collect();
        let dependencies = vec![format!("python={}", self.python).into(), pip.into(), Value::Mapping(packages)];
        [
            ("channels".into(), strings(&["conda-forge".to_owned()])),
            ("dependencies".into(), Value::Sequence(dependencies)),
            ("name".into(), "mlflow-env".into()),
        ]
        .into_iter()
        .collect()
    }

    fn python_env(&self) -> Mapping {
        let mut keys = Mapping::new();
        keys.insert("python".into(), self.python.clone().into());
        if !self.build.is_empty() {
            keys.insert("build_dependencies".into(), strings(&self.build));
        }
        keys.insert("dependencies".into(), strings(&[format!("-r {REQUIREMENTS}")]));
        keys
    }
}

fn strings(items: &[String]) -> Value {
    items.iter().cloned().map(Value::from).collect()
}
