//! MLflow's `xgboost` flavor: a Booster, or one of XGBoost's scikit-learn classes, scored by the kernels.

mod class;
mod ensemble;
mod features;
mod options;
mod session;
mod state;

use std::{path::Path, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{
    LoadOptions,
    common::{
        answers::several,
        boosting::BoostingSession,
        files, keys,
        obstacle::{Made, NeedsPython, Obstacle},
    },
};
use crate::{
    error::{Error, Kind, Result},
    formats::xgboost::{self as format, Booster, Categories},
    kernels::{Path as KernelPath, link::Link, trees::Ensemble},
    mlmodel::MlModel,
    score::{Model, Session, SessionOptions},
};
use class::{Class, XgbAnswer};
use ensemble::{Sums, VersionRules};
use state::SavedState;

/// Name of the flavor.
pub(super) const NAME: &str = "xgboost";

/// Loads the flavor.
pub(super) fn load(mlmodel: &MlModel, directory: &Path, options: &LoadOptions) -> Made<Arc<dyn Model>> {
    let text = |key: &str| keys::text(mlmodel, NAME, key);
    if let Some(name) = options.predict_fn.as_deref().filter(|name| *name != "predict") {
        return Err(format!("predict_fn '{name}' is not the model's predict").into());
    }
    let class = Class::from_name(text("model_class"))?;
    let file = text("data").unwrap_or("model.xgb");
    let bytes = files::read(directory, file)?;
    let model = format::read(&bytes).map_err(|error| error.context(file))?;
    drop(bytes);
    let version = text("xgb_version").map_or(model.version, keys::version);
    Ok(Arc::new(XgbModel::new(model, class, version)?))
}

/// Its files contain no pickle.
pub(super) fn globals(_: &MlModel, _: &Path) -> Result<Vec<String>> {
    Ok(Vec::new())
}

/// A loaded model.
struct XgbModel(Arc<XgbCore>);

/// The model, shared by its sessions.
struct XgbCore {
    class: Class,
    link: Link,
    outputs: usize,
    num_class: usize,
    num_feature: usize,
    feature_names: Vec<String>,
    categories: Vec<Categories>,
    /// Features whose whole numbers may be names of categories.
    named: Vec<bool>,
    engine: Engine,
    /// The version of XGBoost whose answers these are.
    version: [i64; 3],
    state: SavedState,
    /// Whether infinite values are refused.
    finite: bool,
    /// How many iterations are used by default.
    default_iterations: usize,
}

#[expect(clippy::large_enum_variant, reason = "there is one a model")]
enum Engine {
    Trees { ensemble: Ensemble<f32, f32>, base: Vec<f32>, sums: Sums, iterations: Vec<usize> },
    Linear { weights: Vec<f32>, base: Vec<f32> },
}

impl XgbModel {
    fn new(model: format::Model, class: Class, version: [i64; 3]) -> Made<Self> {
        let link = link(&model, version)?;
        let mut base = model.base_score.clone();
        base.resize(model.outputs, model.base_score[0]);
        link.to_margin(&mut base);
        let state = match class != Class::Booster && version < [2, 0, 0] {
            true => SavedState::read(&model)?,
            false => SavedState::new(),
        };
        let best = model.attribute("best_iteration").and_then(|text| text.parse::<usize>().ok());
        // Since 1.4, all estimators but linear ones predict without a `DMatrix`, which would refuse infinity.
        let linear = matches!(model.booster, Booster::Linear(_));
        let inplace = class != Class::Booster && !linear && version >= [1, 4, 0] && !state.predictor;
        let (mut categories, mut named) = (Vec::new(), Vec::new());
        let (engine, rounds) = match model.booster {
            Booster::Linear(weights) => (Engine::Linear { weights, base }, 0),
            Booster::Trees(trees) => {
                named = self::named(&trees.categories, model.version)?;
                let rules = VersionRules::new(&trees, version, inplace);
                let kernel = rules.trees(&trees, &base)?;
                let ensemble = Ensemble::new(&kernel, trees.width, KernelPath::choose()?)?;
                categories = trees.categories;
                let rounds = trees.iterations.len() - 1;
                (Engine::Trees { ensemble, base, sums: rules.sums, iterations: trees.iterations }, rounds)
            }
        };
        let default_iterations = match best.filter(|_| class != Class::Booster && rounds > 0) {
            // Before 1.4 a ranker used all iterations.
            _ if version < [1, 4, 0] => state.rounds.filter(|&known| class != Class::Ranker && known < rounds).unwrap_or(rounds),
            Some(best) if best < rounds => best + 1,
            Some(best) => {
                let message = format!("best_iteration is {best}, but there are {rounds} iterations");
                return Err(Error::new(Kind::InvalidModel, "MODEL_FILE_INVALID", message).into());
            }
            None => rounds,
        };
        let model = XgbCore {
            class,
            link,
            outputs: model.outputs,
            num_class: model.num_class,
            num_feature: model.num_feature,
            feature_names: model.feature_names,
            categories,
            named,
            engine,
            version,
            // XGBoost checks for infinity since 1.4, unless infinity is the missing value.
            finite: !inplace && version >= [1, 4, 0] && !state.missing.is_infinite(),
            state,
            default_iterations,
        };
        match (&model.state.labels, model.answer()) {
            (Some(labels), XgbAnswer::Class(least)) if labels.len() < least => Err(few_labels(labels.len(), least)),
            (Some(labels), XgbAnswer::Binary) if labels.len() < 2 => Err(few_labels(labels.len(), 2)),
            _ => Ok(Self(Arc::new(model))),
        }
    }
}

fn few_labels(found: usize, least: usize) -> Obstacle {
    let message = format!("scikit_learn: names of {found} classes, there are {least}");
    Error::new(Kind::InvalidModel, "MODEL_FILE_INVALID", message).into()
}

impl XgbCore {
    /// What `predict` answers.
    fn answer(&self) -> XgbAnswer {
        self.class.answer(self.link, self.outputs, self.num_class, self.version)
    }
}

/// The link of a model's objective, or why the objective is not scored natively.
fn link(model: &format::Model, version: [i64; 3]) -> Result<Link, NeedsPython> {
    Ok(match model.objective.as_str() {
        "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:pseudohubererror"
        | "reg:absoluteerror"
        | "binary:logitraw"
        | "rank:pairwise"
        | "rank:ndcg"
        | "rank:map" => Link::Identity,
        "reg:logistic" | "binary:logistic" => Link::Logistic,
        "reg:gamma" | "reg:tweedie" | "count:poisson" | "survival:cox" | "survival:aft" => Link::Exp,
        "binary:hinge" => Link::Hinge,
        "multi:softprob" => Link::Softmax,
        "multi:softmax" => Link::ArgMax,
        // Since 3.4 the quantiles of a row are sorted.
        "reg:quantileerror" if version >= [3, 4, 0] => Link::Sorted,
        "reg:quantileerror" => Link::Identity,
        "reg:expectileerror" => Link::Steps,
        other => return Err(format!("the objective '{other}' has no kernel")),
    })
}

/// Whether each feature's whole numbers are names of categories, and not codes.
///
/// XGBoost takes names in a column of pandas' type `category`, which is a dictionary here. In any other column its Booster takes
/// codes, and its estimators refuse the column.
fn named(categories: &[Categories], version: [i64; 3]) -> Made<Vec<bool>> {
    let cut = |name: &String| (version < [3, 4, 0] && !name.is_ascii()) || name.contains(char::REPLACEMENT_CHARACTER);
    let named = |categories: &Categories| match categories {
        Categories::Texts(names) if names.iter().any(cut) => {
            Err("the names of its categories are not ASCII, which XGBoost before 3.4 cuts short".to_owned().into())
        }
        Categories::Others => Err("its categories are no whole numbers".to_owned().into()),
        Categories::Ints(names) if names.iter().any(|name| name.unsigned_abs() > 1 << 53) => {
            Err("its categories are known by numbers that no double holds".to_owned().into())
        }
        Categories::Ints(names) => Ok(names.iter().enumerate().any(|(code, &name)| code as i64 != name)),
        Categories::None | Categories::Texts(_) => Ok(false),
    };
    categories.iter().map(named).collect()
}

impl Model for XgbModel {
    fn input(&self) -> Option<SchemaRef> {
        let inner = &self.0;
        // There is no type that stands for both codes and names.
        if inner.feature_names.is_empty() || (inner.class == Class::Booster && inner.named.contains(&true)) {
            return None;
        }
        let field = |(feature, name): (usize, &String)| {
            let kind = match inner.categories.get(feature) {
                Some(Categories::Texts(_)) => DataType::Utf8,
                _ if inner.named.get(feature) == Some(&true) => DataType::Int64,
                _ => DataType::Float64,
            };
            Field::new(name, kind, true)
        };
        Some(Arc::new(Schema::new(inner.feature_names.iter().enumerate().map(field).collect::<Vec<_>>())))
    }

    fn reads(&self, from: &DataType) -> bool {
        match from {
            // These may be categories by name.
            DataType::Dictionary(_, values) => values.is_string() || (values.is_numeric() && !values.is_decimal()),
            other => !(other.is_decimal() || matches!(other, DataType::RunEndEncoded(..))),
        }
    }

    fn leaves_out(&self, column: &str) -> bool {
        self.0.class == Class::Ranker && column == features::QUERY
    }

    fn output(&self) -> Option<DataType> {
        let (kind, width) = self.0.answer().shape(self.0.state.labels.as_ref());
        Some(several(kind, width))
    }

    fn memory(&self) -> usize {
        let engine = match &self.0.engine {
            Engine::Trees { ensemble, iterations, .. } => ensemble.memory() + iterations.len() * size_of::<usize>(),
            Engine::Linear { weights, base } => (weights.len() + base.len()) * 4,
        };
        engine + self.0.feature_names.iter().map(|name| name.len() + size_of::<String>()).sum::<usize>()
    }

    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let asked = options::Asked::new(&self.0, &options.params)?;
        Ok(Box::new(BoostingSession::new(session::XgbStream::new(self.0.clone(), asked))))
    }
}

#[cfg(test)]
mod tests;
