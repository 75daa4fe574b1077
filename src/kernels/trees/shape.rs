//! The shape of a tree, found once: what is built after it may index without asking again.

use super::{Node, Result, Test, Tree, malformed};

/// What a tree is known to be.
pub(super) struct Shape {
    /// All nodes, each after its children.
    pub(super) children_first: Vec<u32>,
    /// Splits on the longest way to a leaf.
    pub(super) depth: usize,
    pub(super) leaves: usize,
}

impl Shape {
    /// Refuses nodes that are no tree, or name leaves or sets that are not there.
    pub(super) fn new<S>(tree: &Tree<S>, width: usize) -> Result<Self> {
        let numbers = tree.values.len().checked_div(width).ok_or_else(malformed)?;
        let mut shape = Self { children_first: Vec::with_capacity(tree.nodes.len()), depth: 0, leaves: 0 };
        let mut open = vec![(0u32, 0usize)];
        while let Some((at, depth)) = open.pop() {
            if shape.children_first.len() >= tree.nodes.len() {
                return Err(malformed());
            }
            shape.children_first.push(at);
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
        shape.children_first.reverse();
        Ok(shape)
    }
}
