//! The shape of a tree, found once: what is built after it may index without asking again.

use super::{Node, Result, Test, Tree, malformed};

/// What a tree is known to be.
pub(super) struct Shape {
    /// Splits on the longest way to a leaf.
    pub(super) depth: usize,
    pub(super) leaves: usize,
}

impl Shape {
    /// Refuses nodes that are no tree, or name leaves or sets that are not there.
    pub(super) fn new<S>(tree: &Tree<S>, width: usize) -> Result<Self> {
        let numbers = tree.values.len().checked_div(width).ok_or_else(malformed)?;
        let mut shape = Self { depth: 0, leaves: 0 };
        let mut open = vec![(0u32, 0usize)];
        let mut unseen = tree.nodes.len();
        while let Some((at, depth)) = open.pop() {
            unseen = unseen.checked_sub(1).ok_or_else(malformed)?;
            match *tree.nodes.get(at as usize).ok_or_else(malformed)? {
                Node::Leaf(number) if (number as usize) < numbers => {
                    shape.leaves += 1;
                    shape.depth = shape.depth.max(depth);
                }
                Node::Leaf(_) => return Err(malformed()),
                Node::Split { test, left, right, .. } => {
                    if let Test::In(set) | Test::NotIn(set) = test
                        && set as usize >= tree.sets.len()
                    {
                        return Err(malformed());
                    }
                    open.extend([(left, depth + 1), (right, depth + 1)]);
                }
            }
        }
        Ok(shape)
    }
}

/// All nodes of a tree that has a shape, each after its children.
#[cfg(target_arch = "x86_64")]
pub(super) fn children_first<S>(tree: &Tree<S>) -> Vec<u32> {
    let mut order = Vec::with_capacity(tree.nodes.len());
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        order.push(at);
        if let Node::Split { left, right, .. } = tree.nodes[at as usize] {
            open.extend([left, right]);
        }
    }
    order.reverse();
    order
}
