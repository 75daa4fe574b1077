//! From a document to a [`Model`].

use super::{
    Booster, MAX_FEATURES, MAX_OUTPUTS, Model,
    document::{self, Value},
    invalid, trees,
};
use crate::error::Result;

/// Reads a JSON or UBJSON file.
pub(super) fn document(bytes: &[u8]) -> Result<Model> {
    // Statistics of the training are most of a file and, but for trees with vector leaves of XGBoost before 3.2, no use here.
    let wanted = |key: &str| key != "base_weights" && !statistic(key);
    let root = document::read(bytes, wanted)?;
    if trees::need_base_weights(&root) {
        drop(root);
        return model(&document::read(bytes, |key| !statistic(key))?);
    }
    model(&root)
}

fn statistic(key: &str) -> bool {
    matches!(key, "loss_changes" | "sum_hessian" | "parents" | "sorted_idx")
}

fn model(root: &Value) -> Result<Model> {
    let version = match root.find("version") {
        Some(value) => value.ints()?.try_into().map_err(|_| invalid("version: expected three numbers"))?,
        None => [0; 3],
    };
    root.get("learner", |learner| learner_model(learner, version))
}

fn learner_model(learner: &Value, version: [i64; 3]) -> Result<Model> {
    let (base_score, num_feature, num_class, num_target) = learner.get("learner_model_param", |param| {
        Ok((
            param.get("base_score", base_score)?,
            param.get("num_feature", Value::count)?,
            param.get("num_class", Value::count)?,
            param.find("num_target").map_or(Ok(1), Value::count)?,
        ))
    })?;
    let outputs = outputs(num_feature, num_class, num_target)?;
    if base_score.len() != 1 && base_score.len() != outputs {
        return Err(invalid(format!("learner_model_param: {} values in base_score for {outputs} outputs", base_score.len())));
    }
    let objective = learner.get("objective", |value| value.get("name", |name| Ok(name.text()?.to_owned())))?;
    let booster = learner.get("gradient_booster", |value| booster(value, num_feature, outputs))?;
    let names = |key: &str| match learner.find(key) {
        None => Ok(Vec::new()),
        Some(value) => {
            let names = value.texts().map_err(|error| error.context(key))?;
            match names.len() {
                0 => Ok(names),
                length if length == num_feature => Ok(names),
                length => Err(invalid(format!("{key}: {length} entries for {num_feature} features"))),
            }
        }
    };
    let feature_names = names("feature_names")?;
    let attributes = match learner.find("attributes") {
        None => Vec::new(),
        Some(value) => value
            .entries()?
            .iter()
            .map(|(key, value)| Ok((key.clone(), value.text()?.to_owned())))
            .collect::<Result<_>>()
            .map_err(|error| error.context("attributes"))?,
    };
    Ok(Model { version, base_score, num_feature, num_class, outputs, objective, booster, feature_names, attributes })
}

/// How many numbers a row gets, where that and the number of features are no more than is read here.
pub(super) fn outputs(num_feature: usize, num_class: usize, num_target: usize) -> Result<usize> {
    if num_feature > MAX_FEATURES {
        return Err(invalid(format!("learner_model_param: {num_feature} features, at most {MAX_FEATURES} are supported")));
    }
    match num_class.max(num_target).max(1) {
        outputs if outputs <= MAX_OUTPUTS => Ok(outputs),
        outputs => Err(invalid(format!("learner_model_param: {outputs} outputs, at most {MAX_OUTPUTS} are supported"))),
    }
}

/// The weights of a linear booster, where there are as many as there must be.
pub(super) fn linear(weights: Vec<f32>, num_feature: usize, outputs: usize) -> Result<Booster> {
    match weights.len() == (num_feature + 1) * outputs {
        true => Ok(Booster::Linear(weights)),
        false => Err(invalid(format!("{} weights for {num_feature} features and {outputs} outputs", weights.len()))),
    }
}

/// `"5E-1"` up to XGBoost 3.0, `"[5E-1]"` or `"[1E0,2E0]"` since.
fn base_score(value: &Value) -> Result<Vec<f32>> {
    let text = value.text()?.trim();
    let inner = text.strip_prefix(['[', '(']).and_then(|rest| rest.strip_suffix([']', ')'])).unwrap_or(text);
    inner
        .split(',')
        .map(|number| number.trim().parse().map_err(|_| invalid(format!("'{text}' is no number or list of numbers"))))
        .collect()
}

fn booster(value: &Value, num_feature: usize, outputs: usize) -> Result<Booster> {
    let name = value.get("name", Value::text)?;
    match name {
        "gbtree" => Ok(Booster::Trees(trees::read(value, None, num_feature, outputs)?)),
        "dart" => {
            let weights = value.find("weight_drop");
            value.get("gbtree", |gbtree| trees::read(gbtree, weights, num_feature, outputs)).map(Booster::Trees)
        }
        "gblinear" => linear(value.get("model", |model| model.get("weights", Value::floats))?, num_feature, outputs),
        other => Err(invalid(format!("unknown booster '{other}'"))),
    }
}
