//! MLflow's `lightgbm` flavor: a Booster's text, or one of LightGBM's scikit-learn classes, scored by the kernels.

mod answer;
mod estimator;
mod features;
mod forest;
mod objective;
mod session;

use std::{path::Path, sync::Arc};

use arrow::datatypes::{DataType, SchemaRef};

use super::{
    LoadOptions,
    common::{answers::several, boosting::BoostingSession, files, keys, obstacle::Made},
};
use crate::{
    error::{Error, Result},
    formats::{
        lightgbm::{self as format, Categories},
        objects::Graph,
    },
    kernels::{Path as KernelPath, response::Response},
    mlmodel::{MlModel, SchemaSpec},
    score::{Model, Session, SessionOptions},
};
use answer::{Given, LgbAnswer};
use features::Codes;
use forest::LgbForest;

/// Name of the flavor.
pub(super) const NAME: &str = "lightgbm";

const BOOSTER: &str = "lightgbm.basic.Booster";
/// The oldest version whose models are scored natively. What changed since then depends on the version below.
const OLDEST: [i64; 3] = [2, 2, 3];
/// In these versions some tables are rounded to single precision.
const ROUNDING: std::ops::Range<[i64; 3]> = [2, 3, 0]..[4, 0, 0];

/// Loads the flavor.
pub(super) fn load(mlmodel: &MlModel, directory: &Path, options: &LoadOptions) -> Made<Arc<dyn Model>> {
    Ok(Arc::new(build(mlmodel, directory, options)?))
}

/// Qualified names of every class and function that a scikit-learn class's file refers to, sorted. Runs nothing.
pub(super) fn globals(mlmodel: &MlModel, directory: &Path) -> Result<Vec<String>> {
    match class(mlmodel) {
        BOOSTER => Ok(Vec::new()),
        _ => Ok(graph(mlmodel, directory)?.globals().map(str::to_owned).collect()),
    }
}

/// The class that was saved; models of MLflow before 1.23 do not say and are Boosters.
fn class(mlmodel: &MlModel) -> &str {
    keys::text(mlmodel, NAME, "model_class").unwrap_or(BOOSTER)
}

fn file(mlmodel: &MlModel) -> &str {
    keys::text(mlmodel, NAME, "data").unwrap_or("model.lgb")
}

fn graph(mlmodel: &MlModel, directory: &Path) -> Result<Graph> {
    files::objects(directory, file(mlmodel), keys::text(mlmodel, NAME, "serialization_format"))
}

fn build(mlmodel: &MlModel, directory: &Path, options: &LoadOptions) -> Made<LgbModel> {
    let method = keys::predict_fn(mlmodel, options);
    if !matches!(method, "predict" | "predict_proba") {
        return Err(format!("predict_fn '{method}' has no kernel").into());
    }
    if matches!(mlmodel.signature.inputs, Some(SchemaSpec::Tensors(_))) {
        return Err("it takes tensors".to_owned().into());
    }
    let version = keys::version(keys::text(mlmodel, NAME, "lgb_version").unwrap_or_default());
    if version < OLDEST {
        return Err("it is a model of LightGBM before 2.2.3, or does not say of which".to_owned().into());
    }
    let (class, file) = (class(mlmodel), file(mlmodel));
    let in_file = |error: Error| error.context(file);
    if class == BOOSTER {
        let model = format::read(&files::read(directory, file)?).map_err(in_file)?;
        return match method {
            "predict" => LgbModel::new(model, LgbAnswer::Values, None, version),
            _ => Err("predict_fn 'predict_proba' is a classifier's".to_owned().into()),
        };
    }
    if !estimator::CLASSES.contains(&class) {
        return Err(format!("its class {class} is not one of LightGBM's own").into());
    }
    let fitted = estimator::fitted(&graph(mlmodel, directory)?)?;
    let model = format::read(fitted.text.as_bytes()).map_err(|error| in_file(error.context("_Booster")))?;
    let answer = match (fitted.labels, method) {
        (None, "predict") => LgbAnswer::Values,
        (None, _) => return Err("predict_fn 'predict_proba' is a classifier's".to_owned().into()),
        (Some(labels), method) => {
            let given = Given::new(model.outputs, labels.len(), fitted.multiclass)?;
            if method == "predict" { LgbAnswer::Names(labels, given) } else { LgbAnswer::Probabilities(given) }
        }
    };
    LgbModel::new(model, answer, fitted.best_iteration, version)
}

/// A loaded model.
struct LgbModel(Arc<LgbCore>);

/// The model, shared by its sessions.
struct LgbCore {
    forest: LgbForest,
    /// How many iterations are used.
    iterations: usize,
    outputs: usize,
    average_output: bool,
    response: Response,
    answer: LgbAnswer,
    num_feature: usize,
    categories: Vec<Codes>,
    /// Whether its version is one of [`ROUNDING`].
    rounds: bool,
}

impl LgbModel {
    fn new(model: format::Model, answer: LgbAnswer, best: Option<usize>, version: [i64; 3]) -> Made<Self> {
        let rounds = model.trees.len() / model.outputs;
        let categories = match model.categories {
            Categories::None => Vec::new(),
            Categories::Texts(columns) => columns.into_iter().map(features::codes).collect(),
            Categories::Other => return Err("the categories of its pandas columns are not all text".to_owned().into()),
        };
        Ok(Self(Arc::new(LgbCore {
            response: objective::response(model.objective.as_deref(), model.outputs, version)?,
            forest: LgbForest::new(model.trees, model.outputs, KernelPath::choose()?)?,
            iterations: best.map_or(rounds, |best| best.min(rounds)),
            outputs: model.outputs,
            average_output: model.average_output,
            answer,
            num_feature: model.num_feature,
            categories,
            rounds: ROUNDING.contains(&version),
        })))
    }
}

impl Model for LgbModel {
    fn input(&self) -> Option<SchemaRef> {
        None
    }

    fn reads(&self, from: &DataType) -> bool {
        match from {
            DataType::Dictionary(_, values) => values.is_string(),
            other => !(other.is_decimal() || matches!(other, DataType::RunEndEncoded(..))),
        }
    }

    fn output(&self) -> Option<DataType> {
        let (kind, width) = self.0.answer.shape(self.0.outputs);
        Some(several(kind, width))
    }

    fn memory(&self) -> usize {
        let categories = self.0.categories.iter().flatten().map(|(name, _)| name.len() + 48).sum::<usize>();
        self.0.forest.memory() + categories
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        for name in options.params.keys() {
            // MLflow's wrapper passes none of them to LightGBM.
            tracing::warn!(param = name, "MLflow's lightgbm flavor takes no params, ignored");
        }
        Ok(Box::new(BoostingSession::new(session::LgbStream::new(self.0.clone()))))
    }
}
