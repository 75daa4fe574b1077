//! Trees of any shape over bins of words: rows walk down side by side, without a branch, and leave at their leaf.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{
    BLOCK, Leaves, Sum, Value,
    bins::{Bins, Builder, Width},
    walk::{self, Levels, MOST_FIRST, Root},
};
use crate::{error::Result, memory};

/// The right child follows the left one. A leaf's `next` is itself, and no bin is above its own.
#[derive(Clone, Copy)]
struct Packed {
    next: u32,
    column: u16,
    bin: u16,
}

/// Rows that walk side by side.
const LANES: usize = 8;
/// Levels that rows go down until those at a leaf leave.
const NEXT: u32 = 4;

/// Where rows are on their way down a tree.
#[derive(Default)]
pub(super) struct Ways {
    /// The node of each row.
    nodes: Vec<u32>,
    /// Rows that are at no leaf, with their nodes.
    open: Vec<[u32; 2]>,
}

/// Stands for the nodes of a tree that does not walk.
const NO_NODE: Packed = Packed { next: 0, column: 0, bin: u16::MAX };

/// Trees that walk, their nodes in the order of [`walk::Forest`].
#[derive(Default)]
pub(super) struct Forest {
    nodes: Vec<Packed>,
    /// The number of each node that is a leaf.
    numbers: Vec<u32>,
    /// How many nodes are of trees that walk.
    planted: usize,
    /// Columns of bins that nodes name.
    columns: usize,
}

impl Forest {
    /// No trees, with room for so many nodes.
    pub(super) fn with_capacity(nodes: usize) -> Self {
        Self { nodes: memory::room(nodes), numbers: memory::room(nodes), ..Self::default() }
    }

    /// All trees; none where they need more columns than a node can name.
    pub(super) fn new<T: Value>(walk: &walk::Forest<T>, builder: &mut Builder<T>) -> Result<Option<Self>> {
        let mut forest = Self::with_capacity(walk.count());
        for tree in 0..walk.roots().len() {
            if !forest.plant(walk, tree, builder)? {
                return Ok(None);
            }
        }
        Ok(Some(forest))
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.numbers)
    }

    /// Bytes among which rows walk, the numbers of the leaves included.
    pub(super) fn walked(&self) -> usize {
        self.planted * (size_of::<Packed>() + size_of::<u32>())
    }

    /// Adds the nodes of a tree that comes after the others; whether a node can name as many columns as it needs.
    pub(super) fn plant<T: Value>(&mut self, walk: &walk::Forest<T>, tree: usize, builder: &mut Builder<T>) -> Result<bool> {
        let nodes = walk.nodes(tree);
        self.nodes.resize(nodes.start as usize, NO_NODE);
        self.numbers.resize(nodes.start as usize, 0);
        self.planted += nodes.len();
        for node in nodes {
            let (packed, number) = match walk.split(node) {
                None => (Packed { next: node, column: 0, bin: u16::MAX }, walk.leaf(node)),
                Some(split) => {
                    let comparison = builder.comparison(node, &split, Width::Word)?;
                    let Ok(column) = u16::try_from(comparison.column) else { return Ok(false) };
                    self.columns = self.columns.max(comparison.column + 1);
                    (Packed { next: split.left, column, bin: comparison.bin }, 0)
                }
            };
            self.nodes.push(packed);
            self.numbers.push(number);
        }
        Ok(true)
    }

    /// Adds the leaves of some trees, given the roots of all; `out` is one run of `stride` sums for each output.
    pub(super) fn add<S: Sum>(
        &self,
        trees: Range<usize>,
        (roots, leaves): (&[Root], &Leaves<S>),
        (bins, rows): (&Bins, usize),
        ways: &mut Ways,
        (out, stride): (&mut [S], usize),
    ) {
        let walk = self.walk(bins, 0..rows);
        for tree in trees {
            leaves.fetch(tree, rows);
            let sums = &mut out[leaves.outputs[tree] as usize * stride..];
            for (block, found) in walk.down(roots[tree], ways).chunks(BLOCK).enumerate() {
                leaves.add(found, &mut sums[block * BLOCK..], stride, |row| row);
            }
        }
    }

    /// The forest over the bins of some rows, whose first is the first of a [`BLOCK`].
    pub(super) fn walk<'a>(&'a self, bins: &'a Bins, rows: Range<usize>) -> Walk<'a> {
        let (words, lanes) = (&bins.words[rows.start * bins.width..], rows.len().next_multiple_of(LANES));
        assert!(bins.width >= self.columns.max(1) && words.len() >= bins.width * lanes);
        Walk { forest: self, words, width: bins.width, rows: rows.len(), lanes }
    }
}

/// A forest, and bins that hold every column its nodes name.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    forest: &'a Forest,
    words: &'a [u16],
    width: usize,
    rows: usize,
    /// The rows filled up to whole lanes.
    lanes: usize,
}

impl Walk<'_> {
    /// The number of the leaf that each row reaches from a root.
    #[inline(always)]
    pub(super) fn down(self, root: Root, ways: &mut Ways) -> &[u32] {
        self.down_from(std::iter::repeat_n(root.node, self.rows), root.levels, ways)
    }

    /// The number of the leaf that each row reaches from a node that lies so many levels above it.
    #[inline(always)]
    pub(super) fn down_from(self, from: impl Iterator<Item = u32>, levels: Levels, ways: &mut Ways) -> &[u32] {
        ways.nodes.clear();
        ways.nodes.extend(from);
        // Beyond the last row the lanes go down from any node.
        ways.nodes.resize(self.lanes, 0);
        assert!(ways.nodes.iter().fold(0, |most, &node| node.max(most)) < self.forest.nodes.len() as u32);
        // Where few levels are left for few rows, leaving costs more.
        match levels.most <= levels.usual + NEXT {
            true => self.together(levels.most, &mut ways.nodes),
            // Two levels above the usual leaf many rows are at theirs.
            false => self.apart(levels.usual.saturating_sub(2).clamp(NEXT, MOST_FIRST), ways),
        }
        ways.nodes.iter_mut().for_each(|node| *node = self.forest.numbers[*node as usize]);
        &ways.nodes[..self.rows]
    }

    /// All rows go down to the end.
    #[inline(always)]
    fn together(self, levels: u32, nodes: &mut [u32]) {
        for (at, nodes) in nodes.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let rows = std::array::from_fn(|lane| (at * LANES + lane) as u32);
            *nodes = self.steps(levels, *nodes, rows);
        }
    }

    /// All rows go down some levels; then those that have reached a leaf leave.
    #[inline(always)]
    fn apart(self, first: u32, ways: &mut Ways) {
        let Ways { nodes, open } = ways;
        open.resize(self.lanes, [0; 2]);
        let mut count = 0;
        for (at, nodes) in nodes.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let rows = std::array::from_fn(|lane| (at * LANES + lane) as u32);
            *nodes = self.steps(first, *nodes, rows);
            for (&row, &node) in rows.iter().zip(&*nodes) {
                open[count] = [row, node];
                count += usize::from(!self.is_leaf(node));
            }
        }
        while count > 0 {
            let before = std::mem::take(&mut count);
            for start in (0..before).step_by(LANES) {
                // Beyond the last row the lanes repeat it.
                let lanes: [[u32; 2]; LANES] = std::array::from_fn(|lane| open[(start + lane).min(before - 1)]);
                let rows = lanes.map(|[row, _]| row);
                let reached = self.steps(NEXT, lanes.map(|[_, node]| node), rows);
                for (&row, &node) in rows.iter().zip(&reached).take(before - start) {
                    nodes[row as usize] = node;
                    open[count] = [row, node];
                    count += usize::from(!self.is_leaf(node));
                }
            }
        }
    }

    fn is_leaf(self, node: u32) -> bool {
        self.forest.nodes[node as usize].next == node
    }

    #[inline(always)]
    fn steps(self, levels: u32, mut at: [u32; LANES], rows: [u32; LANES]) -> [u32; LANES] {
        for _ in 0..levels {
            at = self.step(at, rows);
        }
        at
    }

    /// One level down.
    #[inline(always)]
    fn step(self, at: [u32; LANES], rows: [u32; LANES]) -> [u32; LANES] {
        std::array::from_fn(|lane| {
            // SAFETY: `at` begins with nodes (`down_from`), and a node's `next` and the one after it are nodes too (`plant`);
            // `Forest::walk` has seen that every column any node names is among the `width` bins of a row, and that `words` holds
            // `lanes` rows, which no row's number exceeds.
            let (node, bin) = unsafe {
                let node = *self.forest.nodes.get_unchecked(at[lane] as usize);
                (node, *self.words.get_unchecked(rows[lane] as usize * self.width + usize::from(node.column)))
            };
            node.next + u32::from(bin > node.bin)
        })
    }
}

const _: () = assert!(BLOCK.is_multiple_of(LANES));
