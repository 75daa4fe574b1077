//! LightGBM's scikit-learn classes, as the `lightgbm` flavor saves them: estimators around a Booster, whose state is its model
//! file.

use crate::{
    flavors::common::{
        labels::Labels,
        obstacle::{Made, python},
        view::View,
    },
    formats::{objects::Graph, pickle},
};

/// LightGBM's own classes.
pub(super) const CLASSES: [&str; 5] = [
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMModel",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
];
/// Objectives for which a classifier of two classes has one probability for each class.
const MULTI: [&str; 6] = ["multiclass", "multiclassova", "multiclass_ova", "ova", "ovr", "softmax"];

/// Whether a name is that of scikit-learn's label encoder, or of something that only describes how the estimator was trained.
fn describes(name: &str) -> bool {
    let Some(name) = name.strip_prefix("sklearn.") else { return false };
    let module = ["metrics.", "utils._metadata_requests."].iter().any(|module| name.starts_with(module));
    module || (name.starts_with("preprocessing.") && name.ends_with(".LabelEncoder"))
}

/// A fitted estimator.
pub(super) struct Fitted {
    /// The model file.
    pub(super) text: String,
    /// How many iterations are used, if training stopped early.
    pub(super) best_iteration: Option<usize>,
    /// The names of a classifier's classes.
    pub(super) labels: Option<Labels>,
    /// Whether a classifier's Booster has one probability for each class.
    pub(super) multiclass: bool,
}

/// Reads the estimator in a file. Runs none of its code.
pub(super) fn fitted(graph: &Graph) -> Made<Fitted> {
    let known = |name: &&str| CLASSES.contains(name) || describes(name) || pickle::is_data(name);
    if let Some(unknown) = graph.globals().find(|name| !known(name)) {
        return python(unknown);
    }
    estimator(View::root(graph))
}

fn estimator(view: View<'_>) -> Made<Fitted> {
    // Further arguments of the constructor are also passed to `predict`.
    let options = view.find("_other_params").map(View::pairs).unwrap_or_default();
    let of_predict = |name: &&str| name.starts_with("pred") || name.starts_with("is_pred") || name.ends_with("_predict");
    if let Some(option) = options.iter().filter_map(|(name, _)| name.text()).find(of_predict) {
        return python(format!("its option '{option}' changes predictions"));
    }
    let booster = view.get("_Booster")?;
    let model = match booster.find("_handle") {
        Some(model) => model,
        None => booster.get("handle")?,
    };
    let Some(text) = model.text() else { return model.wrong("a model file") };
    let best = booster.find("best_iteration").and_then(View::int).and_then(|best| usize::try_from(best).ok());
    let classifier = view.name() == "LGBMClassifier";
    let labels = if classifier { Some(Labels::read(view.get("_le")?.get("classes_")?)?) } else { None };
    let multiclass = labels.as_ref().is_some_and(|labels| labels.len() > 2) || MULTI.contains(&view.word("_objective"));
    Ok(Fitted { text: text.to_owned(), best_iteration: best.filter(|best| *best > 0), labels, multiclass })
}
