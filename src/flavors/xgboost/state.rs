//! What an estimator of XGBoost before 2.0 saved about itself in the attribute `scikit_learn` of its file. Later versions save
//! nothing that matters for predictions.

use crate::{
    error::Result,
    flavors::common::{labels::Labels, obstacle::Obstacle},
    formats::{
        document::{self, Value},
        xgboost::Model,
    },
};

/// The saved state of an estimator.
#[derive(Debug, PartialEq)]
pub(super) struct SavedState {
    /// The number that counts as missing, beside NaN.
    pub(super) missing: f32,
    /// What the classes were called in training, where they were encoded by the estimator.
    pub(super) labels: Option<Labels>,
    /// How many iterations are used for predictions, before XGBoost 1.4.
    pub(super) rounds: Option<usize>,
    /// Whether it has the parameter `predictor`, which makes it predict as a Booster does.
    pub(super) predictor: bool,
}

impl SavedState {
    /// The state of an estimator that saved none.
    pub(super) fn new() -> Self {
        Self { missing: f32::NAN, labels: None, rounds: None, predictor: false }
    }

    /// Reads the state in a model.
    pub(super) fn read(model: &Model) -> Result<Self, Obstacle> {
        let mut state = Self::new();
        let Some(text) = model.attribute("scikit_learn") else { return Ok(state) };
        let root = document::read(text.as_bytes(), |_| true).map_err(|error| error.context("scikit_learn"))?;
        match root.find("missing") {
            None => {}
            Some(Value::Float(missing)) => state.missing = *missing,
            Some(Value::Int(missing)) => state.missing = *missing as f32,
            Some(other) => return Err(format!("its value for missing is {}", other.kind()).into()),
        }
        state.rounds = match root.find("best_ntree_limit") {
            Some(Value::Int(trees)) => usize::try_from(*trees).ok().filter(|&trees| trees > 0),
            _ => None,
        };
        state.predictor = root.find("predictor").is_some_and(|predictor| predictor.text().is_ok_and(|name| name != "auto"));
        let encoder = root.find("_le").and_then(|encoder| encoder.find("classes_"));
        state.labels = encoder.map(labels).transpose()?;
        Ok(state)
    }
}

fn labels(value: &Value) -> Result<Labels, Obstacle> {
    // Numbers are read in single precision, which holds whole numbers up to here exactly.
    let whole = |value: &f32| value.fract() == 0.0 && value.abs() < 16_777_216.0;
    Ok(match value {
        Value::Ints(values) => Labels::Ints { values: values.clone(), bytes: 8 },
        Value::Floats(values) if values.iter().all(whole) => {
            Labels::Floats { values: values.iter().map(|&value| value.into()).collect(), single: false }
        }
        Value::List(values) if values.iter().all(|value| matches!(value, Value::Bool(_))) => {
            Labels::Bools(values.iter().map(|value| *value == Value::Bool(true)).collect())
        }
        Value::List(_) => {
            Labels::Texts(value.texts().map_err(|_| Obstacle::Python("its classes are neither texts nor numbers".into()))?)
        }
        _ => return Err(Obstacle::Python("its classes are no whole numbers".into())),
    })
}
