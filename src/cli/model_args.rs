//! The flags that say which model scores and how; the same in every subcommand that scores.

use std::path::PathBuf;

use clap::Args;

use super::values::named;
use crate::{
    batch::Subject,
    error::Result,
    flavors::{Engine, EnvManager, LoadOptions, PythonRuntime},
    mlmodel::json,
    models::LoadedModel,
    score::{Compat, ScoreOptions, ddl},
};

/// A model and how it is run.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    /// The model: a directory or a URI
    #[arg(short = 'm', long = "model", alias = "model-uri", value_name = "URI")]
    pub(super) model: String,

    /// Who scores: auto takes native kernels where they agree with the model's library, else Python
    #[arg(long, value_parser = named::<Engine>(Engine::NAMES.iter().copied()), default_value = "auto", help_heading = "Model")]
    engine: Engine,

    /// Conversion rules: exact converts whenever no value changes, mlflow is MLflow's own matrix
    #[arg(long, value_parser = named::<Compat>(Compat::NAMES.iter().copied()), default_value = "exact", help_heading = "Model")]
    compat: Compat,

    /// Inference params, a JSON object
    #[arg(long, value_name = "JSON", help_heading = "Model")]
    params: Option<String>,

    /// Overrides the model's own config, a JSON object
    #[arg(long, value_name = "JSON", help_heading = "Model")]
    model_config: Option<String>,

    /// Where a Python model's packages come from
    #[arg(long, value_parser = named::<EnvManager>(EnvManager::NAMES.iter().copied()), default_value = "local", help_heading = "Model")]
    env_manager: EnvManager,

    /// The interpreter of a local environment [default: that of VIRTUAL_ENV, else python3]
    #[arg(long, value_name = "PATH", help_heading = "Model")]
    python: Option<PathBuf>,

    /// Type of the prediction: double, string, array<double>, or columns (a double, b string) [default: the model's own]
    #[arg(long, value_name = "DDL", help_heading = "Model")]
    result_type: Option<String>,

    /// Never run code that comes with the model
    #[arg(long, help_heading = "Model")]
    no_code_execution: bool,
}

impl ModelArgs {
    /// Loads the model and binds its options.
    pub(super) fn load(&self) -> Result<Subject> {
        let params = self.params.as_deref().map(|text| json::object("--params", text)).transpose()?.unwrap_or_default();
        let load = LoadOptions {
            params: params.clone(),
            engine: self.engine,
            env_manager: self.env_manager,
            model_config: self.model_config.as_deref().map(|text| json::object("--model-config", text)).transpose()?,
            python: PythonRuntime { executable: self.python.clone(), ..PythonRuntime::default() },
            forbid_code: self.no_code_execution,
            ..LoadOptions::default()
        };
        let score = ScoreOptions {
            result: self.result_type.as_deref().map(ddl::parse).transpose()?,
            compat: self.compat,
            params,
            ..ScoreOptions::default()
        };
        let model = LoadedModel::load(&self.model, &load)?;
        Subject::new(&model, score)
    }
}
