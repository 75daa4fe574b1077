//! Trees of any shape over bins of 16 bits. Eight rows go down a tree at the same time, without a conditional jump, and no longer
//! take part once they have reached a leaf.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{
    BLOCK, Leaves, Sum, Value,
    bins::{Bins, Builder, Width},
    walk::{self, Levels, MOST_FIRST, Root},
};
use crate::{error::Result, memory};

/// A node: a row goes to `next`, the left child, or to the node after it where its bin is greater than `bin`. The `next` of a
/// leaf is the leaf itself, and no bin is greater than its `bin`.
#[derive(Clone, Copy)]
struct Packed {
    next: u32,
    column: u16,
    bin: u16,
}

/// How many rows go down a tree at the same time.
const LANES: usize = 8;
/// How many levels rows go down between two checks of which have reached a leaf.
const NEXT: u32 = 4;

/// The node that each row has reached in a tree.
#[derive(Default)]
pub(super) struct Cursors {
    /// The node of each row.
    nodes: Vec<u32>,
    /// The rows that have not reached a leaf, with their nodes.
    open: Vec<[u32; 2]>,
}

/// Fills the places of trees that are evaluated otherwise.
const NO_NODE: Packed = Packed { next: 0, column: 0, bin: u16::MAX };

/// Trees, or some of them, whose nodes keep the numbers that they have in [`walk::NodeForest`].
#[derive(Default)]
pub(super) struct BinnedForest {
    nodes: Vec<Packed>,
    /// The number of each node that is a leaf.
    numbers: Vec<u32>,
    /// How many nodes the trees in here have.
    node_count: usize,
    /// How many columns of bins nodes name.
    columns: usize,
}

impl BinnedForest {
    /// No trees yet, with memory reserved for `nodes` nodes.
    pub(super) fn with_capacity(nodes: usize) -> Self {
        Self { nodes: memory::room(nodes), numbers: memory::room(nodes), ..Self::default() }
    }

    /// All trees; `None` where they need more columns than a node can name.
    pub(super) fn new<T: Value>(walk: &walk::NodeForest<T>, builder: &mut Builder<T>) -> Result<Option<Self>> {
        let mut forest = Self::with_capacity(walk.count());
        for tree in 0..walk.roots().len() {
            if !forest.push(walk, tree, builder)? {
                return Ok(None);
            }
        }
        Ok(Some(forest))
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.numbers)
    }

    /// Bytes of the nodes and leaf numbers that rows read on their way.
    pub(super) fn walked(&self) -> usize {
        self.node_count * (size_of::<Packed>() + size_of::<u32>())
    }

    /// Adds the nodes of a tree that follows those added before. False where it needs more columns than a node can name.
    pub(super) fn push<T: Value>(&mut self, walk: &walk::NodeForest<T>, tree: usize, builder: &mut Builder<T>) -> Result<bool> {
        let nodes = walk.nodes(tree);
        self.nodes.resize(nodes.start as usize, NO_NODE);
        self.numbers.resize(nodes.start as usize, 0);
        self.node_count += nodes.len();
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

    /// Adds the leaves that rows reach in some trees. `roots` are those of all trees; `out` is one run of `stride` sums for each
    /// output.
    pub(super) fn add<S: Sum>(
        &self,
        trees: Range<usize>,
        (roots, leaves): (&[Root], &Leaves<S>),
        (bins, rows): (&Bins, usize),
        cursors: &mut Cursors,
        (out, stride): (&mut [S], usize),
    ) {
        let walk = self.walk(bins, 0..rows);
        for tree in trees {
            leaves.fetch(tree, rows);
            let sums = &mut out[leaves.outputs[tree] as usize * stride..];
            for (block, found) in walk.down(roots[tree], cursors).chunks(BLOCK).enumerate() {
                leaves.add(found, &mut sums[block * BLOCK..], stride, |row| row);
            }
        }
    }

    /// The forest with the bins of some rows, the first of which begins a [`BLOCK`].
    pub(super) fn walk<'a>(&'a self, bins: &'a Bins, rows: Range<usize>) -> Descent<'a> {
        let (words, lanes) = (&bins.words[rows.start * bins.width..], rows.len().next_multiple_of(LANES));
        assert!(bins.width >= self.columns.max(1) && words.len() >= bins.width * lanes);
        Descent { forest: self, words, width: bins.width, rows: rows.len(), lanes }
    }
}

/// A forest with the bins of some rows. It was checked that they have every column that a node names.
#[derive(Clone, Copy)]
pub(super) struct Descent<'a> {
    forest: &'a BinnedForest,
    words: &'a [u16],
    width: usize,
    rows: usize,
    /// The number of rows, rounded up to a multiple of [`LANES`].
    lanes: usize,
}

impl Descent<'_> {
    /// The number of the leaf that each row reaches from a root.
    #[inline(always)]
    pub(super) fn down(self, root: Root, cursors: &mut Cursors) -> &[u32] {
        self.down_from(std::iter::repeat_n(root.node, self.rows), root.levels, cursors)
    }

    /// The number of the leaf that each row reaches from a node of its own, given the depth of the leaves below these nodes.
    #[inline(always)]
    pub(super) fn down_from(self, from: impl Iterator<Item = u32>, levels: Levels, cursors: &mut Cursors) -> &[u32] {
        cursors.nodes.clear();
        cursors.nodes.extend(from);
        // The lanes after the last row begin at node 0, and what they reach is ignored.
        cursors.nodes.resize(self.lanes, 0);
        assert!(cursors.nodes.iter().fold(0, |most, &node| node.max(most)) < self.forest.nodes.len() as u32);
        // If only a few rows have only a few levels to go, sorting out the others costs more than it saves.
        match levels.most <= levels.usual + NEXT {
            true => self.together(levels.most, &mut cursors.nodes),
            // Two levels above the mean depth many rows have reached their leaf.
            false => self.apart(levels.usual.saturating_sub(2).clamp(NEXT, MOST_FIRST), cursors),
        }
        cursors.nodes.iter_mut().for_each(|node| *node = self.forest.numbers[*node as usize]);
        &cursors.nodes[..self.rows]
    }

    /// All rows go down all levels.
    #[inline(always)]
    fn together(self, levels: u32, nodes: &mut [u32]) {
        for (at, nodes) in nodes.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let rows = std::array::from_fn(|lane| (at * LANES + lane) as u32);
            *nodes = self.steps(levels, *nodes, rows);
        }
    }

    /// All rows go down the first levels; from there on only those that have not reached a leaf.
    #[inline(always)]
    fn apart(self, first: u32, cursors: &mut Cursors) {
        let Cursors { nodes, open } = cursors;
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
                // The lanes after the last row repeat it.
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
            // SAFETY: `at` begins with nodes (`down_from`), and a node's `next` and the one after it are nodes too (`push`);
            // `BinnedForest::walk` has seen that every column any node names is among the `width` bins of a row, and that `words`
            // holds `lanes` rows, which no row's number exceeds.
            let (node, bin) = unsafe {
                let node = *self.forest.nodes.get_unchecked(at[lane] as usize);
                (node, *self.words.get_unchecked(rows[lane] as usize * self.width + usize::from(node.column)))
            };
            node.next + u32::from(bin > node.bin)
        })
    }
}

const _: () = assert!(BLOCK.is_multiple_of(LANES));
