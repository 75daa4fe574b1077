//! MLflow's `xgboost` flavor: a Booster, or one of XGBoost's scikit-learn classes, scored by the kernels.

mod class;
mod features;
mod options;
mod session;

use std::{path::Path, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{LoadOptions, NeedsPython, files, keys};
use crate::{
    error::{Error, Kind, Result},
    formats::xgboost::{self as format, Booster, Categories},
    kernels::{
        Path as KernelPath,
        link::Link,
        trees::{Ensemble, Missing, Node, Test, Tree},
    },
    mlmodel::MlModel,
    score::{Model, Session, SessionOptions},
};
use class::Class;

/// Name of the flavor.
pub const NAME: &str = "xgboost";

/// Loads the flavor; see [`super::NativeLoader`].
pub fn load(mlmodel: &MlModel, directory: &Path, options: &LoadOptions) -> Result<Result<Arc<dyn Model>, NeedsPython>> {
    let text = |key: &str| keys::text(mlmodel, NAME, key);
    if let Some(name) = options.predict_fn.as_deref().filter(|name| *name != "predict") {
        return Ok(Err(format!("predict_fn '{name}' is not the model's predict")));
    }
    let class = match Class::from_name(text("model_class")) {
        Ok(class) => class,
        Err(reason) => return Ok(Err(reason)),
    };
    let file = text("data").unwrap_or("model.xgb");
    let bytes = files::read(directory, file)?;
    if !format::is_document(&bytes) {
        return Ok(Err("the model file is in XGBoost's deprecated binary format; saving it again as ubj makes it native".into()));
    }
    let model = format::read(&bytes).map_err(|error| error.context(file))?;
    drop(bytes);
    let version = text("xgb_version").map_or(model.version, keys::version);
    Ok(XgbModel::new(model, class, version)?.map(|model| Arc::new(model) as Arc<dyn Model>))
}

/// A loaded model.
struct XgbModel(Arc<Inner>);

/// What sessions share.
struct Inner {
    class: Class,
    link: Link,
    outputs: usize,
    num_class: usize,
    num_feature: usize,
    feature_names: Vec<String>,
    categories: Vec<Categories>,
    engine: Engine,
    /// Iterations that count by default.
    default_iterations: usize,
}

#[expect(clippy::large_enum_variant, reason = "there is one a model")]
enum Engine {
    Trees { ensemble: Ensemble<f32, f32>, base: Vec<f32>, iterations: Vec<usize> },
    Linear { weights: Vec<f32>, base: Vec<f32> },
}

impl XgbModel {
    fn new(model: format::Model, class: Class, version: [i64; 3]) -> Result<Result<Self, NeedsPython>> {
        let link = match link(&model, version) {
            Ok(link) => link,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut base = model.base_score.clone();
        base.resize(model.outputs, model.base_score[0]);
        link.to_margin(&mut base);
        let best = model.attribute("best_iteration").and_then(|text| text.parse::<usize>().ok());
        let mut categories = Vec::new();
        let (engine, rounds) = match model.booster {
            Booster::Linear(weights) => (Engine::Linear { weights, base }, 0),
            Booster::Trees(trees) => {
                if let Some(reason) = obstacle(&trees, version) {
                    return Ok(Err(reason));
                }
                let ensemble = Ensemble::new(&scaled(&trees), 1, KernelPath::choose()?)?;
                categories = trees.categories;
                let rounds = trees.iterations.len() - 1;
                (Engine::Trees { ensemble, base, iterations: trees.iterations }, rounds)
            }
        };
        let default_iterations = match best.filter(|_| class != Class::Booster && rounds > 0) {
            Some(best) if best < rounds => best + 1,
            Some(best) => {
                let message = format!("best_iteration is {best}, but there are {rounds} iterations");
                return Err(Error::new(Kind::InvalidModel, "MODEL_FILE_INVALID", message));
            }
            None => rounds,
        };
        Ok(Ok(Self(Arc::new(Inner {
            class,
            link,
            outputs: model.outputs,
            num_class: model.num_class,
            num_feature: model.num_feature,
            feature_names: model.feature_names,
            categories,
            engine,
            default_iterations,
        }))))
    }
}

/// The link of a model's objective, or why there is none here.
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
        // Since 3.4 quantiles of one row are put in order.
        "reg:quantileerror" if version >= [3, 4, 0] => Link::Sorted,
        "reg:quantileerror" => Link::Identity,
        "reg:expectileerror" => Link::Steps,
        other => return Err(format!("the objective '{other}' has no kernel")),
    })
}

/// What in an ensemble the kernels cannot do.
fn obstacle(trees: &format::Trees, version: [i64; 3]) -> Option<NeedsPython> {
    if trees.vector_leaves {
        return Some("its trees have vector leaves (multi_strategy=\"multi_output_tree\")".into());
    }
    if !trees.weights.is_empty() && version < [3, 4, 0] {
        return Some("it is a DART model of XGBoost before 3.4, which sums in another order".into());
    }
    let named = |categories: &Categories| match categories {
        Categories::Ints(names) => names.iter().enumerate().any(|(code, &name)| code as i64 != name),
        _ => false,
    };
    // A plain column of whole numbers does not say whether it holds names or codes.
    trees.categories.iter().any(named).then(|| "its integer categories are known by name".into())
}

/// The trees in the kernel's form, DART's weights multiplied into the leaves as XGBoost does when it adds one.
fn scaled(trees: &format::Trees) -> Vec<Tree<f32>> {
    let one = |(index, tree): (usize, &format::Tree)| {
        let weight = trees.weights.get(index).copied().unwrap_or(1.0);
        let mut values = Vec::new();
        let node = |node: &format::Node| match *node {
            format::Node::Leaf(value) => {
                values.push(value * weight);
                Node::Leaf(values.len() as u32 - 1)
            }
            format::Node::Split { feature, test, missing_left, left, right } => {
                let test = match test {
                    format::Test::Less(threshold) => Test::Less(threshold.into()),
                    format::Test::NotIn(set) => Test::NotIn(set),
                };
                Node::Split { feature, test, missing: Missing::Nan, missing_left, left, right }
            }
        };
        let nodes = tree.nodes.iter().map(node).collect();
        Tree { nodes, sets: tree.sets.clone(), values, output: trees.groups[index] }
    };
    trees.trees.iter().enumerate().map(one).collect()
}

impl Model for XgbModel {
    fn input(&self) -> Option<SchemaRef> {
        let inner = &self.0;
        if inner.feature_names.is_empty() {
            return None;
        }
        let field = |(feature, name): (usize, &String)| {
            let kind = match inner.categories.get(feature) {
                Some(Categories::Texts(_)) => DataType::Utf8,
                _ => DataType::Float64,
            };
            Field::new(name, kind, true)
        };
        Some(Arc::new(Schema::new(inner.feature_names.iter().enumerate().map(field).collect::<Vec<_>>())))
    }

    fn output(&self) -> Option<DataType> {
        let (kind, width) = self.0.class.answer(self.0.link, self.0.outputs, self.0.num_class).shape();
        Some(if width == 1 { kind } else { DataType::new_list(kind, true) })
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
        Ok(Box::new(session::XgbSession::new(self.0.clone(), asked)))
    }
}

#[cfg(test)]
mod tests;
