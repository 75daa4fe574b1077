//! `HistGradientBoostingClassifier` and `HistGradientBoostingRegressor`

use std::sync::Arc;

use super::boosting::{GradientBoosting, Grown, Inverse, Start};
use crate::{
    flavors::sklearn::{
        base::{Allow, Estimator, Labels, Made, View, frame, labels, python, width},
        registry::build,
        tree::{Trees, number},
    },
    kernels::trees::{Missing, Node, Test, Tree},
};

/// `HistGradientBoostingClassifier`
pub fn histogram_classifier(view: View<'_>) -> Made<Estimator> {
    let labels = labels(view)?;
    let inverse = if labels.len() > 2 { Inverse::Softmax } else { Inverse::Logistic };
    histogram(view, inverse, vec![labels])
}

/// `HistGradientBoostingRegressor`
pub fn histogram_regressor(view: View<'_>) -> Made<Estimator> {
    let inverse = match view.word("loss") {
        "squared_error" | "least_squares" | "absolute_error" | "least_absolute_deviation" | "quantile" => Inverse::Identity,
        "poisson" | "gamma" => Inverse::Exponential,
        other => return python(format!("HistGradientBoostingRegressor: loss '{other}'")),
    };
    histogram(view, inverse, Vec::new())
}

fn histogram(view: View<'_>, inverse: Inverse, labels: Vec<Labels>) -> Made<Estimator> {
    let columns = width(view)?;
    let start = view.floats_of("_baseline_prediction")?;
    let outputs = start.len();
    let expected = labels.first().map_or(1, |labels| if labels.len() == 2 { 1 } else { labels.len() });
    if outputs != expected {
        return python(format!("{}: {outputs} sums, expected {expected}", view.name()));
    }
    let known = known_categories(view, columns)?;
    let mut trees = Trees::new(1);
    for stage in view.get("_predictors")?.items() {
        let predictors = stage.items();
        if predictors.len() != outputs {
            return stage.wrong("a tree for every sum");
        }
        for (target, predictor) in predictors.into_iter().enumerate() {
            trees.add(&predictor_tree(predictor, target, &known)?)?;
        }
    }
    Ok(Arc::new(GradientBoosting {
        name: view.name().into(),
        frame: frame(view),
        columns,
        allow: Allow::All,
        preprocessor: view.find("_preprocessor").map(build).transpose()?,
        start: Start::Constant(start),
        trees: Grown::Double(trees.ensemble(columns)?),
        outputs,
        inverse,
        labels,
        zero_is_second: false,
    }))
}

/// The categories of each column in the training data, one bit for each.
fn known_categories(view: View<'_>, columns: usize) -> Made<Vec<[u32; 8]>> {
    let mut known = vec![[0; 8]; columns];
    let Some(mapper) = view.find("_bin_mapper") else { return Ok(known) };
    let categorical = mapper.find("is_categorical_").map(View::floats).transpose()?.unwrap_or_default();
    let thresholds = mapper.get("bin_thresholds_")?.items();
    for (column, set) in known.iter_mut().enumerate() {
        if categorical.get(column).is_some_and(|&categorical| categorical != 0.0)
            && let Some(values) = thresholds.get(column)
        {
            for value in values.floats()? {
                if (0.0..256.0).contains(&value) {
                    set[value as usize / 32] |= 1 << (value as usize % 32);
                }
            }
        }
    }
    Ok(known)
}

fn predictor_tree(view: View<'_>, target: usize, known: &[[u32; 8]]) -> Made<Tree<f64>> {
    let nodes = view.get("nodes")?;
    let array = nodes.array()?;
    let field = |name: &str| array.field(name);
    let ints = |name: &str| field(name).and_then(|field| field.ints());
    let floats = |name: &str| field(name).and_then(|field| field.floats());
    // Before 1.0 the thresholds had another name, and no split was categorical.
    let (Some(value), Some(leaf), Some(feature), Some(threshold), Some(missing), Some(left), Some(right)) = (
        floats("value"),
        ints("is_leaf"),
        ints("feature_idx"),
        floats("num_threshold"),
        ints("missing_go_to_left"),
        ints("left"),
        ints("right"),
    ) else {
        return nodes.wrong("the nodes of a tree");
    };
    let categorical = ints("is_categorical").unwrap_or_else(|| vec![0; value.len()]);
    let places = ints("bitset_idx").unwrap_or_else(|| vec![0; value.len()]);
    let bits = match view.find("raw_left_cat_bitsets") {
        Some(bits) => bits.array()?.ints().unwrap_or_default(),
        None => Vec::new(),
    };
    let (mut made, mut sets, mut numbers) = (Vec::with_capacity(value.len()), Vec::new(), Vec::new());
    for node in 0..value.len() {
        if leaf[node] != 0 {
            made.push(Node::Leaf(number(numbers.len())));
            numbers.push(value[node]);
            continue;
        }
        let missing_left = missing[node] != 0;
        let test = if categorical[node] == 0 {
            Test::AtMost(threshold[node])
        } else {
            let start = usize::try_from(places[node]).unwrap_or(usize::MAX).saturating_mul(8);
            let (Some(words), Some(known)) =
                (bits.get(start..).and_then(|rest| rest.get(..8)), known.get(feature[node] as usize))
            else {
                return python("a categorical split without categories");
            };
            let has = |words: &[u32], category: usize| words[category / 32] >> (category % 32) & 1 == 1;
            let words: Vec<u32> = words.iter().map(|&word| word as u32).collect();
            // A category that was not in the training data goes where missing values go.
            let set = |category: &usize| match missing_left {
                true => has(known, *category) && !has(&words, *category),
                false => has(&words, *category),
            };
            sets.push((0..256).filter(set).map(number).collect());
            let set = number(sets.len() - 1);
            if missing_left { Test::NotIn(set) } else { Test::In(set) }
        };
        made.push(Node::Split {
            feature: number(feature[node]),
            test,
            missing: Missing::Nan,
            missing_left,
            left: number(left[node]),
            right: number(right[node]),
        });
    }
    Ok(Tree { nodes: made, sets, values: numbers, output: number(target) })
}
