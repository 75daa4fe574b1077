//! Trees of any shape over bins of words: rows walk down side by side, without a branch.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{
    BLOCK, Leaves, Node, Sum, Tree, Value,
    bins::{Bins, Builder, Width},
    index,
    lanes::{LANES, descend},
};
use crate::error::Result;

/// The right child follows the left one. A leaf's `next` is itself, and no bin is above its own.
#[derive(Clone, Copy)]
struct Packed {
    next: u32,
    column: u16,
    bin: u16,
}

/// Where a tree's walk begins, and the levels below.
#[derive(Clone, Copy)]
pub(super) struct Root {
    pub(super) node: u32,
    pub(super) depth: u32,
}

/// Trees that walk.
#[derive(Default)]
pub(super) struct Forest {
    nodes: Vec<Packed>,
    /// The number of each node that is a leaf.
    leaves: Vec<u32>,
    /// Columns of bins that nodes name.
    columns: usize,
    roots: Vec<Root>,
}

impl Forest {
    /// All trees from their roots; none where they need more columns than a node can name. `first` are the trees' first leaves.
    pub(super) fn new<T: Value, S>(trees: &[Tree<S>], first: &[u32], builder: &mut Builder<'_, T>) -> Result<Option<Self>> {
        let mut forest = Self::default();
        for (tree, &first) in trees.iter().zip(first) {
            let Some(root) = forest.plant(tree, first, builder)? else { return Ok(None) };
            forest.roots.push(root);
        }
        Ok(Some(forest))
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.leaves) + size_of_val(&*self.roots)
    }

    /// Adds the nodes of a tree; none where it needs more columns than a node can name.
    pub(super) fn plant<T: Value, S>(
        &mut self,
        tree: &Tree<S>,
        first: u32,
        builder: &mut Builder<'_, T>,
    ) -> Result<Option<Root>> {
        let start = self.nodes.len();
        // Level by level; the tree's nodes that come next, and how deep they lie.
        let mut order = vec![(0, 0u32)];
        let mut at = 0;
        while let Some(&(from, depth)) = order.get(at) {
            let (packed, leaf) = match tree.nodes[from as usize] {
                Node::Leaf(number) => (Packed { next: index(start + at)?, column: 0, bin: u16::MAX }, first + number),
                split @ Node::Split { left, right, .. } => {
                    let comparison = builder.comparison(tree, split, Width::Word)?;
                    let Ok(column) = u16::try_from(comparison.column) else { return Ok(None) };
                    let next = index(start + order.len())?;
                    order.extend([(left, depth + 1), (right, depth + 1)]);
                    self.columns = self.columns.max(comparison.column + 1);
                    (Packed { next, column, bin: comparison.bin }, 0)
                }
            };
            self.nodes.push(packed);
            self.leaves.push(leaf);
            at += 1;
        }
        let depth = order.last().map_or(0, |&(_, depth)| depth);
        Ok(Some(Root { node: index(start)?, depth }))
    }

    /// Adds the leaves of some trees for some rows of a block.
    pub(super) fn add<S: Sum>(&self, trees: Range<usize>, leaves: &Leaves<S>, bins: &Bins, rows: usize, out: &mut [S]) {
        let walk = self.walk(bins);
        for tree in trees {
            let root = self.roots[tree];
            let sums = &mut out[leaves.outputs[tree] as usize * BLOCK..];
            for start in (0..rows).step_by(LANES) {
                let found = walk.down(root, start);
                leaves.add(found.into_iter().take(rows - start), start, sums, |row| row);
            }
        }
    }

    /// The forest over the bins of a block.
    pub(super) fn walk<'a>(&'a self, bins: &'a Bins) -> Walk<'a> {
        assert!(bins.width >= self.columns.max(1) && bins.words.len() >= bins.width * BLOCK);
        Walk { forest: self, words: &bins.words, width: bins.width }
    }
}

/// A forest, and bins that hold every column its nodes name.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    forest: &'a Forest,
    words: &'a [u16],
    width: usize,
}

impl Walk<'_> {
    /// The leaves that rows from `row` on reach.
    #[inline(always)]
    pub(super) fn down(self, Root { node, depth }: Root, row: usize) -> [u32; LANES] {
        let (nodes, words) = (&*self.forest.nodes, &self.words[row * self.width..][..LANES * self.width]);
        assert!((node as usize) < nodes.len());
        let step = |at: [u32; LANES]| -> [u32; LANES] {
            std::array::from_fn(|lane| {
                // SAFETY: `at` begins inside and `next` and the node after it are nodes of the same tree (`plant`); `Forest::walk` has
                // seen that every column any node names is among the `width` bins of a row, and `words` holds LANES rows.
                let (node, bin) = unsafe {
                    let node = *nodes.get_unchecked(at[lane] as usize);
                    (node, *words.get_unchecked(lane * self.width + usize::from(node.column)))
                };
                node.next + u32::from(bin > node.bin)
            })
        };
        let at = descend([node; LANES], depth, step);
        std::array::from_fn(|lane| self.forest.leaves[at[lane] as usize])
    }
}

const _: () = assert!(BLOCK.is_multiple_of(LANES));
