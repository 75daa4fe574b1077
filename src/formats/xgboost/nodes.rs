//! Nodes of a file, whatever its format, become a [`Tree`].

use super::{Node, Test, Tree, invalid};
use crate::error::Result;

/// A node as files hold it: a leaf where there is no left child.
pub(super) struct Raw {
    pub(super) left: i64,
    /// The right child; of a leaf with several numbers since XGBoost 3.2 the number of the leaf.
    pub(super) right: i64,
    pub(super) feature: i64,
    /// The threshold; of a leaf with one number that number.
    pub(super) condition: f32,
    pub(super) missing_left: bool,
}

/// What splits by category know: which set decides which node, and the sets.
#[derive(Default)]
pub(super) struct Sets {
    pub(super) of: Vec<Option<u32>>,
    pub(super) sets: Vec<Vec<u32>>,
}

/// Follows `count` nodes from the root; `leaf` appends what a leaf adds to the numbers of all leaves.
///
/// Only what the root reaches counts: pruned trees keep deleted nodes full of markers.
pub(super) fn tree(
    count: usize,
    num_feature: usize,
    sets: Sets,
    node: impl Fn(usize) -> Raw,
    leaf: impl Fn(usize, &Raw, &mut Vec<f32>) -> Result<()>,
) -> Result<Tree> {
    if count == 0 || count > i32::MAX as usize {
        return Err(invalid(format!("a tree of {count} nodes")));
    }
    let (mut leaves, mut numbers) = (0, Vec::new());
    let mut nodes = vec![Node::Leaf(0); count];
    let mut seen = vec![false; count];
    let mut open = vec![0usize];
    while let Some(at) = open.pop() {
        if std::mem::replace(&mut seen[at], true) {
            return Err(invalid(format!("node {at}: reached twice, so this is no tree")));
        }
        let raw = node(at);
        if raw.left == -1 {
            leaf(at, &raw, &mut numbers).map_err(|error| error.context(format!("node {at}")))?;
            nodes[at] = Node::Leaf(leaves);
            leaves += 1;
            continue;
        }
        let child = |child: i64| match usize::try_from(child) {
            Ok(child) if child < count => Ok(child),
            _ => Err(invalid(format!("node {at}: no node {child} to go to"))),
        };
        let (left, right) = (child(raw.left)?, child(raw.right)?);
        let feature = match u32::try_from(raw.feature) {
            Ok(feature) if (feature as usize) < num_feature => feature,
            _ => return Err(invalid(format!("node {at}: feature {} of {num_feature}", raw.feature))),
        };
        let test = sets.of.get(at).copied().flatten().map_or(Test::Less(raw.condition), Test::NotIn);
        nodes[at] = Node::Split { feature, test, missing_left: raw.missing_left, left: left as u32, right: right as u32 };
        open.extend([right, left]);
    }
    Ok(Tree { nodes, sets: sets.sets, leaves: numbers })
}
