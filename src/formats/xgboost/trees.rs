//! The trees of a model.

use super::{Categories, Node, Test, Tree, Trees, document::Value, invalid};
use crate::error::Result;

/// Categories a split may know: XGBoost's own limit, the largest whole number a float counts to.
const MAX_CATEGORIES: u32 = 1 << 24;

/// Reads the `gbtree` booster. DART's weights lie beside it in older files.
pub(super) fn read(booster: &Value, weights: Option<&Value>, num_feature: usize, outputs: usize) -> Result<Trees> {
    booster
        .get("model", |model| {
            let trees = model.get("trees", |list| {
                let read = |(index, tree): (usize, &Value)| {
                    self::tree(tree, num_feature).map_err(|error| error.context(format!("trees[{index}]")))
                };
                list.list()?.iter().enumerate().map(read).collect::<Result<Vec<Tree>>>()
            })?;
            let groups = model.get("tree_info", |value| groups(value, trees.len(), outputs))?;
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
            let vector_leaves = trees.iter().any(|tree| tree.nodes.is_empty());
            Ok(Trees { vector_leaves, trees, groups, iterations, weights, categories })
        })
        .map_err(|error| error.context("gradient_booster"))
}

fn groups(value: &Value, trees: usize, outputs: usize) -> Result<Vec<u32>> {
    let groups = value.ints()?;
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
            let outputs = groups.iter().max().map_or(1, |&group| group as usize + 1);
            let step = parallel.saturating_mul(outputs);
            (0..=trees / step).map(|iteration| iteration * step).collect()
        }
    };
    if bounds.first() != Some(&0) || bounds.last() != Some(&trees) || bounds.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(invalid(format!("iteration_indptr: does not divide {trees} trees")));
    }
    Ok(bounds)
}

fn categories(value: &Value) -> Result<Vec<Categories>> {
    let Some(features) = value.find("enc") else { return Ok(Vec::new()) };
    features
        .list()?
        .iter()
        .map(|feature| {
            let values = feature.get("values", Value::ints)?;
            let Some(offsets) = feature.find("offsets") else {
                return Ok(if values.is_empty() { Categories::None } else { Categories::Ints(values) });
            };
            let bytes: Vec<u8> = values.iter().map(|&value| value as u8).collect();
            let offsets = offsets.ints()?;
            let text = |pair: &[i64]| {
                let range = usize::try_from(pair[0]).ok().zip(usize::try_from(pair[1]).ok());
                let name = range.and_then(|(start, end)| bytes.get(start..end));
                let name = name.ok_or_else(|| invalid("an offset outside the names"))?;
                String::from_utf8(name.to_vec()).map_err(|_| invalid("a name that is no UTF-8"))
            };
            let names: Vec<String> = offsets.windows(2).map(text).collect::<Result<_>>()?;
            Ok(if names.is_empty() { Categories::None } else { Categories::Texts(names) })
        })
        .collect()
}

fn tree(tree: &Value, num_feature: usize) -> Result<Tree> {
    let vector = tree.get("tree_param", |param| param.find("size_leaf_vector").map_or(Ok(1), Value::count))?;
    if vector > 1 {
        return Ok(Tree { nodes: Vec::new(), sets: Vec::new() });
    }
    let left = tree.get("left_children", Value::ints)?;
    let count = left.len();
    if count == 0 || count > i32::MAX as usize {
        return Err(invalid(format!("a tree of {count} nodes")));
    }
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
    let (set_of, sets) = sets(tree, count)?;

    // Only what the root reaches counts: pruned trees keep deleted nodes full of markers.
    let mut nodes = vec![Node::Leaf(0.0); count];
    let mut seen = vec![false; count];
    let mut open = vec![0usize];
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut seen[at], true) {
            return Err(invalid(format!("node {at}: reached twice, so this is no tree")));
        }
        if left[at] == -1 {
            nodes[at] = Node::Leaf(conditions[at]);
            continue;
        }
        let child = |child: i64| match usize::try_from(child) {
            Ok(child) if child < count => Ok(child),
            _ => Err(invalid(format!("node {at}: no node {child} to go to"))),
        };
        let (left, right) = (child(left[at])?, child(right[at])?);
        let feature = match u32::try_from(features[at]) {
            Ok(feature) if (feature as usize) < num_feature => feature,
            _ => return Err(invalid(format!("node {at}: feature {} of {num_feature}", features[at]))),
        };
        let test = set_of[at].map_or(Test::Less(conditions[at]), Test::NotIn);
        nodes[at] = Node::Split { feature, test, missing_left: default_left[at] == 1, left: left as u32, right: right as u32 };
        open.extend([right, left]);
    }
    Ok(Tree { nodes, sets })
}

/// Which set decides which node, and the sets.
type Sets = (Vec<Option<u32>>, Vec<Vec<u32>>);

fn sets(tree: &Value, count: usize) -> Result<Sets> {
    let mut set_of = vec![None; count];
    let Some(nodes) = tree.find("categories_nodes") else { return Ok((set_of, Vec::new())) };
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
        let slot = usize::try_from(node).ok().and_then(|node| set_of.get_mut(node));
        *slot.ok_or_else(|| invalid(format!("categories_nodes: no node {node}")))? = Some(sets.len() as u32);
        let member = |&category: &i64| match u32::try_from(category) {
            Ok(category) if category < MAX_CATEGORIES => Ok(category),
            _ => Err(invalid(format!("node {node}: category {category}"))),
        };
        let mut members = members.iter().map(member).collect::<Result<Vec<u32>>>()?;
        members.sort_unstable();
        sets.push(members);
    }
    Ok((set_of, sets))
}
