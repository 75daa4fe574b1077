//! `IsolationForest`

use crate::flavors::sklearn::{
    base::{
        Allow, Estimator, Made, View,
        outliers::{Decision, detector},
        python, width,
    },
    tree::Trees,
};

/// The expected depth of a leaf in a tree that was grown on `rows` rows.
fn mean_depth(rows: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    if rows <= 1.0 {
        return 0.0;
    }
    if rows == 2.0 { 1.0 } else { 2.0 * ((rows - 1.0).ln() + EULER) - 2.0 * (rows - 1.0) / rows }
}

/// `IsolationForest` whose trees take all columns.
pub fn isolation(view: View<'_>) -> Made<Estimator> {
    let columns = width(view)?;
    if view.count_of("_max_features")? != columns {
        return python("IsolationForest: its trees see some of the columns");
    }
    let estimators = view.get("estimators_")?.items();
    let (means, paths) = (view.get("_average_path_length_per_tree")?.items(), view.get("_decision_path_lengths")?.items());
    if means.len() != estimators.len() || paths.len() != estimators.len() {
        return python("IsolationForest: not depths for every tree");
    }
    let mut trees = Trees::new(0);
    for (at, estimator) in estimators.iter().enumerate() {
        let (mean, path) = (means[at].floats()?, paths[at].floats()?);
        trees.push(estimator.get("tree_")?, 0, |node, _, leaf| {
            leaf.extend(path.get(node).zip(mean.get(node)).map(|(path, mean)| path + mean - 1.0));
        })?;
    }
    if trees.width != 1 {
        return python("IsolationForest: not a depth for every node");
    }
    let trees = trees.ensemble(columns)?;
    let expected = estimators.len() as f64 * mean_depth(view.float_of("_max_samples")?);
    let allow = if view.version() >= (1, 6) { Allow::All } else { Allow::Finite };
    detector(view, allow, Decision::Depth { trees, expected }, 8)
}
