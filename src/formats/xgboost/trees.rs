//! The trees of a document.

use super::{
    Categories, Tree, Trees,
    document::Value,
    invalid,
    nodes::{self, Raw, Sets},
};
use crate::error::Result;

/// Categories a split may know: XGBoost's own limit, the largest whole number a float counts to.
const MAX_CATEGORIES: u32 = 1 << 24;

/// Reads the `gbtree` booster. DART's weights lie beside it in older files.
pub(super) fn read(booster: &Value, weights: Option<&Value>, num_feature: usize, outputs: usize) -> Result<Trees> {
    booster
        .get("model", |model| {
            let mut width = 1;
            let trees = model.get("trees", |list| {
                let list = list.list()?;
                width = list.first().map_or(Ok(1), self::width)?;
                if width != 1 && width != outputs {
                    return Err(invalid(format!("leaves of {width} numbers for {outputs} outputs")));
                }
                let read = |(index, tree): (usize, &Value)| {
                    self::tree(tree, num_feature, width).map_err(|error| error.context(format!("trees[{index}]")))
                };
                list.iter().enumerate().map(read).collect::<Result<Vec<Tree>>>()
            })?;
            let groups = model.get("tree_info", |value| groups(&value.ints()?, trees.len(), outputs / width))?;
            let iterations = iterations(model, &groups)?;
            let weights = match weights.or_else(|| booster.find("weight_drop")).or_else(|| model.find("weight_drop")) {
                None => Vec::new(),
                Some(value) => value.floats().map_err(|error| error.context("weight_drop"))?,
            };
            if !weights.is_empty() && weights.len() != trees.len() {
                return Err(invalid(format!("weight_drop: {} weights for {} trees", weights.len(), trees.len())));
            }
            let categories = match model.find("cats") {
                None => Vec::new(),
                Some(value) => categories(value).map_err(|error| error.context("cats"))?,
            };
            Ok(Trees { trees, groups, iterations, weights, width, categories })
        })
        .map_err(|error| error.context("gradient_booster"))
}

/// Whether leaves hold several numbers, and these only stand among the weights of all nodes: XGBoost 2.0 to 3.1.
pub(super) fn need_base_weights(root: &Value) -> bool {
    let mut value = Some(root);
    for key in ["learner", "gradient_booster", "model", "trees"] {
        value = value.and_then(|value| value.find(key));
    }
    let first = value.and_then(|trees| trees.list().ok()?.first());
    first.is_some_and(|tree| width(tree).is_ok_and(|width| width > 1) && tree.find("leaf_weights").is_none())
}

/// Numbers a leaf of a tree holds.
fn width(tree: &Value) -> Result<usize> {
    tree.get("tree_param", |param| param.find("size_leaf_vector").map_or(Ok(1), Value::count).map(|width| width.max(1)))
}

/// The output each tree adds to.
pub(super) fn groups(groups: &[i64], trees: usize, outputs: usize) -> Result<Vec<u32>> {
    if groups.len() != trees {
        return Err(invalid(format!("{} entries for {trees} trees", groups.len())));
    }
    let group = |&group: &i64| match u32::try_from(group) {
        Ok(group) if (group as usize) < outputs => Ok(group),
        _ => Err(invalid(format!("output {group} of {outputs}"))),
    };
    groups.iter().map(group).collect()
}

/// Since XGBoost 1.7 the file says which trees belong to an iteration; before, all iterations are alike.
fn iterations(model: &Value, groups: &[u32]) -> Result<Vec<usize>> {
    let trees = groups.len();
    let bounds: Vec<usize> = match model.find("iteration_indptr") {
        Some(value) => value
            .ints()?
            .into_iter()
            .map(|bound| usize::try_from(bound).map_err(|_| invalid(format!("iteration_indptr: {bound} is negative"))))
            .collect::<Result<_>>()?,
        None => {
            let parallel = model.get("gbtree_model_param", |param| {
                param.find("num_parallel_tree").map_or(Ok(1), Value::count).map(|count| count.max(1))
            })?;
            alike(groups, parallel)
        }
    };
    if bounds.first() != Some(&0) || bounds.last() != Some(&trees) || bounds.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(invalid(format!("iteration_indptr: does not divide {trees} trees")));
    }
    Ok(bounds)
}

/// Where iterations begin when all are alike: for each output as many trees as grow in parallel.
pub(super) fn alike(groups: &[u32], parallel: usize) -> Vec<usize> {
    let outputs = groups.iter().max().map_or(1, |&group| group as usize + 1);
    let step = parallel.saturating_mul(outputs);
    (0..=groups.len() / step).map(|iteration| iteration * step).collect()
}

fn categories(value: &Value) -> Result<Vec<Categories>> {
    let Some(features) = value.find("enc") else { return Ok(Vec::new()) };
    features
        .list()?
        .iter()
        .map(|feature| {
            if feature.find("values").is_some_and(|values| matches!(values, Value::Floats(_))) {
                return Ok(Categories::Others);
            }
            let values = feature.get("values", Value::ints)?;
            let Some(offsets) = feature.find("offsets") else {
                return Ok(if values.is_empty() { Categories::None } else { Categories::Ints(values) });
            };
            let bytes: Vec<u8> = values.iter().map(|&value| value as u8).collect();
            let offsets = offsets.ints()?;
            let text = |pair: &[i64]| {
                let range = usize::try_from(pair[0]).ok().zip(usize::try_from(pair[1]).ok());
                let name = range.and_then(|(start, end)| bytes.get(start..end));
                let name = name.ok_or_else(|| invalid("an offset outside the names"));
                // XGBoost 3.1 to 3.3 counts characters where it means bytes, and cuts names.
                name.map(|name| String::from_utf8_lossy(name).into_owned())
            };
            let names: Vec<String> = offsets.windows(2).map(text).collect::<Result<_>>()?;
            Ok(if names.is_empty() { Categories::None } else { Categories::Texts(names) })
        })
        .collect()
}

fn tree(tree: &Value, num_feature: usize, width: usize) -> Result<Tree> {
    if self::width(tree)? != width {
        return Err(invalid("its leaves hold another number of values than those of other trees"));
    }
    let left = tree.get("left_children", Value::ints)?;
    let count = left.len();
    let same = |key: &str, length: usize| match length == count {
        true => Ok(()),
        false => Err(invalid(format!("{key}: {length} entries for {count} nodes"))),
    };
    let right = tree.get("right_children", Value::ints)?;
    let features = tree.get("split_indices", Value::ints)?;
    let conditions = tree.get("split_conditions", Value::floats)?;
    let default_left = tree.get("default_left", Value::ints)?;
    same("right_children", right.len())?;
    same("split_indices", features.len())?;
    same("split_conditions", conditions.len())?;
    same("default_left", default_left.len())?;
    let sets = sets(tree, count)?;
    // By number of the leaf since XGBoost 3.2, by node before.
    let (vectors, numbered) = match (width, tree.find("leaf_weights")) {
        (1, _) => (Vec::new(), false),
        (_, Some(values)) => (values.floats().map_err(|error| error.context("leaf_weights"))?, true),
        (_, None) => (tree.get("base_weights", Value::floats)?, false),
    };
    let node = |at: usize| Raw {
        left: left[at],
        right: right[at],
        feature: features[at],
        condition: conditions[at],
        missing_left: default_left[at] == 1,
    };
    let leaf = |at: usize, raw: &Raw, leaves: &mut Vec<f32>| {
        if width == 1 {
            leaves.push(raw.condition);
            return Ok(());
        }
        let number = if numbered { usize::try_from(raw.right).ok() } else { Some(at) };
        let start = number.and_then(|number| number.checked_mul(width));
        let values = start.and_then(|start| vectors.get(start..start.checked_add(width)?));
        leaves.extend_from_slice(values.ok_or_else(|| invalid("its values lie outside the list"))?);
        Ok(())
    };
    nodes::tree(count, num_feature, sets, node, leaf)
}

fn sets(tree: &Value, count: usize) -> Result<Sets> {
    let Some(nodes) = tree.find("categories_nodes") else { return Ok(Sets::default()) };
    let mut of = vec![None; count];
    let nodes = nodes.ints()?;
    let starts = tree.get("categories_segments", Value::ints)?;
    let sizes = tree.get("categories_sizes", Value::ints)?;
    let all = tree.get("categories", Value::ints)?;
    if starts.len() != nodes.len() || sizes.len() != nodes.len() {
        return Err(invalid("categories_segments and categories_sizes do not fit categories_nodes"));
    }
    let mut sets = Vec::with_capacity(nodes.len());
    for ((&node, &start), &size) in nodes.iter().zip(&starts).zip(&sizes) {
        let members = usize::try_from(start)
            .ok()
            .zip(usize::try_from(size).ok())
            .and_then(|(start, size)| all.get(start..start.checked_add(size)?))
            .filter(|members| !members.is_empty())
            .ok_or_else(|| invalid(format!("node {node}: its categories lie outside the list")))?;
        let slot = usize::try_from(node).ok().and_then(|node| of.get_mut(node));
        *slot.ok_or_else(|| invalid(format!("categories_nodes: no node {node}")))? = Some(sets.len() as u32);
        let member = |&category: &i64| match u32::try_from(category) {
            Ok(category) if category < MAX_CATEGORIES => Ok(category),
            _ => Err(invalid(format!("node {node}: category {category}"))),
        };
        let mut members = members.iter().map(member).collect::<Result<Vec<u32>>>()?;
        members.sort_unstable();
        sets.push(members);
    }
    Ok(Sets { of, sets })
}
