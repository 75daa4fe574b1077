//! What a session was asked for: the keyword arguments of XGBoost's `predict`, as inference params.

use std::ops::Range;

use serde_json::{Map, Value};

use super::{Engine, XgbCore, class::Class};
use crate::error::{Error, Kind, Result};

/// Arguments that give something else than predictions.
const ANALYSES: [&str; 3] = ["pred_leaf", "pred_contribs", "pred_interactions"];

/// The params of one session, checked.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    /// Margins instead of predictions.
    pub(super) margin: bool,
    /// Columns must be the model's features, by name.
    pub(super) validate: bool,
    /// The trees that are summed.
    pub(super) trees: Range<usize>,
}

fn wrong(name: &str, found: &Value, expected: &str) -> Error {
    Error::new(Kind::InvalidArgument, "PARAM_INVALID", format!("param '{name}'")).expected(expected).found(found)
}

fn unsupported(name: &str) -> Error {
    Error::new(Kind::Unimplemented, "PARAM_UNSUPPORTED", format!("param '{name}' is not supported by the native engine"))
        .remedy("load the model with engine=\"python\"")
}

fn truth(name: &str, value: &Value) -> Result<bool> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::Null => Ok(false),
        other => Err(wrong(name, other, "true or false")),
    }
}

impl Asked {
    pub(super) fn new(model: &XgbCore, params: &Map<String, Value>) -> Result<Self> {
        let booster = model.class == Class::Booster;
        let mut asked = Self { margin: false, validate: true, trees: 0..0 };
        let mut range = None;
        for (name, value) in params {
            match name.as_str() {
                "output_margin" => asked.margin = truth(name, value)?,
                "iteration_range" if model.version >= [1, 4, 0] => range = iteration_range(name, value)?,
                "ntree_limit" if model.version < [2, 0, 0] => match value.as_u64() {
                    None if value.is_null() => {}
                    Some(0) => {}
                    _ => return Err(unsupported(name)),
                },
                "base_margin" if !booster && value.is_null() => {}
                "base_margin" if !booster => return Err(unsupported(name)),
                "validate_features" if booster => {
                    let message = "param 'validate_features' is always set by MLflow for a Booster";
                    return Err(Error::new(Kind::InvalidArgument, "PARAM_INVALID", message).remedy("leave it out"));
                }
                "validate_features" => asked.validate = truth(name, value)?,
                // Neither changes predictions: one output is one column either way, and no contributions are computed.
                "strict_shape" | "approx_contribs" if booster => drop(truth(name, value)?),
                "training" if booster && !truth(name, value)? => {}
                "training" if booster => return Err(unsupported(name)),
                analysis if booster && ANALYSES.contains(&analysis) => {
                    if truth(name, value)? {
                        return Err(unsupported(name));
                    }
                }
                other => tracing::warn!(param = other, "not a param of the XGBoost model, ignored"),
            }
        }
        asked.trees = trees(model, range)?;
        Ok(asked)
    }
}

fn iteration_range(name: &str, value: &Value) -> Result<Option<(usize, usize)>> {
    let expected = "two whole numbers that are not negative";
    match value {
        Value::Null => Ok(None),
        Value::Array(items) => match items.as_slice() {
            [from, to] => {
                let number = |item: &Value| item.as_u64().and_then(|number| usize::try_from(number).ok());
                number(from).zip(number(to)).map(Some).ok_or_else(|| wrong(name, value, expected))
            }
            _ => Err(wrong(name, value, expected)),
        },
        other => Err(wrong(name, other, expected)),
    }
}

/// The trees of a range of iterations. An end of 0 means the last iteration. For the scikit-learn classes it means the best one,
/// and that the range begins at 0.
fn trees(model: &XgbCore, range: Option<(usize, usize)>) -> Result<Range<usize>> {
    let Engine::Trees { iterations, .. } = &model.engine else {
        return match range {
            Some((1.., _)) if model.class == Class::Booster => Err(Error::new(
                Kind::InvalidArgument,
                "PARAM_INVALID",
                "param 'iteration_range': a linear booster cannot begin after its first iteration",
            )),
            _ => Ok(0..0),
        };
    };
    let rounds = iterations.len() - 1;
    let (from, to) = match range {
        None => (0, model.default_iterations),
        Some((_, 0)) if model.class != Class::Booster => (0, model.default_iterations),
        Some((from, 0)) => (from, rounds),
        Some(range) => range,
    };
    match (iterations.get(from), iterations.get(to)) {
        (Some(&from), Some(&to)) if from <= to => Ok(from..to),
        _ => Err(Error::new(Kind::InvalidArgument, "PARAM_INVALID", "param 'iteration_range' is out of range")
            .expected(format!("at most {rounds} iterations"))
            .found(format!("[{from}, {to}]"))),
    }
}
