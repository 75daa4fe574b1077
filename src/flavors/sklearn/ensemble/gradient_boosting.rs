//! `GradientBoostingClassifier` and `GradientBoostingRegressor`

use std::sync::Arc;

use super::boosting::{GradientBoosting, Grown, Inverse, Link, Start};
use crate::flavors::sklearn::{
    base::{Allow, Estimator, Labels, Made, Method, View, frame, labels, python, width},
    registry::build,
    tree::Trees,
};

/// `GradientBoostingClassifier`
pub fn gradient_classifier(view: View<'_>) -> Made<Estimator> {
    let labels = labels(view)?;
    let new = view.version() >= (1, 4);
    let (link, inverse) = match (view.word("loss"), labels.len() > 2) {
        ("exponential", false) => (Link::HalfLogit, Inverse::Double),
        ("log_loss" | "deviance", false) => (Link::Logit, Inverse::Logistic),
        ("log_loss" | "deviance", true) => (if new { Link::Centered } else { Link::Logarithm }, Inverse::Softmax),
        (other, _) => return python(format!("GradientBoostingClassifier: loss '{other}'")),
    };
    gradient(view, link, inverse, vec![labels])
}

/// `GradientBoostingRegressor`
pub fn gradient_regressor(view: View<'_>) -> Made<Estimator> {
    gradient(view, Link::Identity, Inverse::Identity, Vec::new())
}

fn gradient(view: View<'_>, link: Link, inverse: Inverse, labels: Vec<Labels>) -> Made<Estimator> {
    let columns = width(view)?;
    let stages = view.get("estimators_")?;
    let outputs = match stages.array()?.shape[..] {
        [_, outputs] if outputs > 0 => outputs,
        _ => return stages.wrong("stages of trees"),
    };
    let expected = labels.first().map_or(1, |labels| if labels.len() == 2 { 1 } else { labels.len() });
    if outputs != expected {
        return python(format!("{}: {outputs} trees a stage, expected {expected}", view.name()));
    }
    let (mut trees, scale) = (Trees::new(1), view.float_of("learning_rate")?);
    for (at, tree) in stages.items().into_iter().enumerate() {
        trees.push(tree.get("tree_")?, at % outputs, |_, values, leaf| {
            leaf.extend(values.iter().take(1).map(|value| scale * value))
        })?;
    }
    let init = view.get("init_")?;
    let start = match (init.text(), init.name()) {
        (Some("zero"), _) => Start::Constant(vec![0.0; outputs]),
        (Some(_), _) => return init.wrong("where the sums begin"),
        (None, _) => {
            let epsilon = if view.version() >= (1, 8) { f64::EPSILON } else { f64::from(f32::EPSILON) };
            let part = build(init)?;
            let method = if labels.is_empty() { Method::Predict } else { Method::Proba };
            if !part.has(method) {
                return python(format!("{} has no {} to begin with", init.name(), method.name()));
            }
            Start::Estimator { part, link, epsilon }
        }
    };
    Ok(Arc::new(GradientBoosting {
        name: view.name().into(),
        frame: frame(view),
        columns,
        allow: Allow::Finite,
        preprocessor: None,
        start,
        trees: Grown::Single(trees.ensemble(columns)?),
        outputs,
        inverse,
        labels,
        zero_is_second: view.version() >= (1, 4),
    }))
}
