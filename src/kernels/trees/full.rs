//! The portable form of small trees: filled up to one depth, so that a row's way down is arithmetic and no branch.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{BLOCK, Node, Slots, Test, Tree, malformed, walk};
use crate::error::Result;

/// Rows that go down side by side.
const LANES: usize = 8;
/// Rows whose doubled columns stay in the first cache.
const ROWS: usize = 64;
/// Depth up to which a tree may be filled up.
const MOST_DEPTH: u32 = 8;

#[derive(Clone, Copy, Default)]
struct Packed {
    threshold: f32,
    /// Where the column begins. Each feature has two: as it is, and with missing values below all thresholds.
    column: u32,
}

struct Root {
    node: u32,
    leaf: u32,
    depth: u32,
    output: u32,
}

/// All trees; those that cannot be filled up have no root here.
pub(super) struct Forest {
    nodes: Vec<Packed>,
    leaves: Vec<f32>,
    roots: Vec<Option<Root>>,
}

impl Forest {
    pub(super) fn new(trees: &[Tree], slots: &Slots<'_>) -> Result<Self> {
        let mut forest = Self { nodes: Vec::new(), leaves: Vec::new(), roots: Vec::with_capacity(trees.len()) };
        for tree in trees {
            let root = forest.push(tree, slots)?;
            forest.roots.push(root);
        }
        Ok(forest)
    }

    pub(super) fn memory(&self) -> usize {
        self.nodes.len() * size_of::<Packed>() + self.leaves.len() * 4 + self.roots.len() * size_of::<Option<Root>>()
    }

    fn push(&mut self, tree: &Tree, slots: &Slots<'_>) -> Result<Option<Root>> {
        let Some(depth) = depth(tree)? else { return Ok(None) };
        let (node, leaf) = (self.nodes.len(), self.leaves.len());
        let mut level = vec![0u32];
        for _ in 0..depth {
            let mut next = Vec::with_capacity(level.len() * 2);
            for at in level {
                match tree.nodes[at as usize] {
                    Node::Split { feature, test: Test::Less(threshold), missing_left, left, right } => {
                        let column = (slots.of(feature) as usize * 2 + usize::from(missing_left)) * ROWS;
                        self.nodes.push(Packed { threshold, column: u32::try_from(column).map_err(|_| malformed())? });
                        next.extend([left, right]);
                    }
                    _ => {
                        self.nodes.push(Packed::default());
                        next.extend([at, at]);
                    }
                }
            }
            level = next;
        }
        // One more, so that the nodes of a tree are a power of two.
        self.nodes.push(Packed::default());
        for at in level {
            let Node::Leaf(value) = tree.nodes[at as usize] else { return Err(malformed()) };
            self.leaves.push(value);
        }
        Ok(Some(Root { node: node as u32, leaf: leaf as u32, depth, output: tree.output }))
    }

    /// Adds the leaves of some trees for `rows` rows of a block; `twice` is scratch space.
    pub(super) fn add(
        &self,
        walk: &walk::Forest,
        trees: Range<usize>,
        columns: &[f32],
        rows: usize,
        twice: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        for start in (0..rows).step_by(ROWS) {
            twice.clear();
            for column in columns.chunks_exact(BLOCK) {
                let column = &column[start..start + ROWS];
                twice.extend_from_slice(column);
                twice.extend(column.iter().map(|&value| if value.is_nan() { f32::NEG_INFINITY } else { value }));
            }
            let rows = start..rows.min(start + ROWS);
            for tree in trees.clone() {
                match &self.roots[tree] {
                    Some(root) => self.one(root, twice, &mut out[root.output as usize * BLOCK..][rows.clone()]),
                    None => walk.add_all(tree..tree + 1, columns, rows.clone(), out),
                }
            }
        }
    }

    fn one(&self, root: &Root, columns: &[f32], sums: &mut [f32]) {
        let size = 1usize << root.depth;
        let nodes = &self.nodes[root.node as usize..][..size];
        let leaves = &self.leaves[root.leaf as usize..][..size];
        match root.depth {
            0 => sums.iter_mut().for_each(|sum| *sum += leaves[0]),
            1 => down::<2>(nodes, leaves, columns, sums),
            2 => down::<4>(nodes, leaves, columns, sums),
            3 => down::<8>(nodes, leaves, columns, sums),
            4 => down::<16>(nodes, leaves, columns, sums),
            5 => down::<32>(nodes, leaves, columns, sums),
            6 => down::<64>(nodes, leaves, columns, sums),
            7 => down::<128>(nodes, leaves, columns, sums),
            _ => down::<256>(nodes, leaves, columns, sums),
        }
    }
}

/// All rows down one tree of `SIZE` leaves.
fn down<const SIZE: usize>(nodes: &[Packed], leaves: &[f32], columns: &[f32], sums: &mut [f32]) {
    let (Some(nodes), Some(leaves)) = (nodes.first_chunk::<SIZE>(), leaves.first_chunk::<SIZE>()) else { return };
    // One look at the tree instead of one a step: the compiler keeps the lanes in registers only where nothing can fail.
    let end = nodes.iter().map(|node| node.column).max().unwrap_or(0) as usize + ROWS;
    assert!(end <= columns.len() && sums.len() <= ROWS);
    for (group, sums) in sums.chunks_mut(LANES).enumerate() {
        let row = group * LANES;
        // Counted from 1, the children of node `n` are `2 n` and `2 n + 1`.
        let mut at = [1u32; LANES];
        for _ in 0..SIZE.trailing_zeros() {
            at = std::array::from_fn(|lane| {
                let node = nodes[(at[lane] as usize - 1) & (SIZE - 1)];
                // SAFETY: `node.column + ROWS <= columns.len()` for every node, and `row + lane < ROWS` because `sums` holds at
                // most ROWS rows and ROWS is a multiple of LANES.
                let value = unsafe { *columns.get_unchecked(node.column as usize + row + lane) };
                #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "a missing value goes right")]
                let right = !(value < node.threshold);
                2 * at[lane] + u32::from(right)
            });
        }
        for (sum, at) in sums.iter_mut().zip(at) {
            *sum += leaves[at as usize & (SIZE - 1)];
        }
    }
}

/// The depth of a tree that is worth filling up: few levels, no categories, thresholds that order all values.
fn depth(tree: &Tree) -> Result<Option<u32>> {
    let mut open = vec![(0u32, 0u32)];
    let (mut deepest, mut splits) = (0, 0usize);
    while let Some((at, depth)) = open.pop() {
        match *tree.nodes.get(at as usize).ok_or_else(malformed)? {
            Node::Leaf(_) => deepest = deepest.max(depth),
            Node::Split { test: Test::Less(threshold), left, right, .. } => {
                splits += 1;
                if depth >= MOST_DEPTH || threshold.is_nan() || threshold == f32::NEG_INFINITY || splits > tree.nodes.len() {
                    return Ok(None);
                }
                open.extend([(left, depth + 1), (right, depth + 1)]);
            }
            Node::Split { .. } => return Ok(None),
        }
    }
    // Beyond this much padding walking takes less.
    Ok((splits * 8 >= 1 << deepest || deepest <= 3).then_some(deepest))
}
