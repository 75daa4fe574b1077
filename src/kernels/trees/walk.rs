//! The portable form: rows walk the nodes, several side by side so that the CPU waits for none of them.

use std::ops::Range;

use super::{BLOCK, Node, Set, Slots, Test, Tree, malformed};
use crate::error::Result;

/// Rows that walk side by side.
const LANES: usize = 8;
/// Levels all lanes take together before each goes on alone: deeper levels of unbalanced trees hold few rows.
const TOGETHER: usize = 10;

const MISSING_RIGHT: u32 = 1;
const SPLIT: u32 = 2;
const CATEGORICAL: u32 = 4;
const FLAG_BITS: u32 = 3;

/// Nodes lie level by level; the right child follows the left one. A leaf's `next` is itself.
#[derive(Clone, Copy)]
struct Packed {
    /// Threshold, a set's index, or the leaf's value.
    value: f32,
    /// The column, and flags in the low bits.
    column: u32,
    next: u32,
}

struct Root {
    node: u32,
    depth: u32,
    output: u32,
}

/// All trees.
pub(super) struct Forest {
    nodes: Vec<Packed>,
    roots: Vec<Root>,
    sets: Vec<Set>,
}

impl Forest {
    pub(super) fn new(trees: &[Tree], slots: &Slots<'_>) -> Result<Self> {
        let mut forest = Self { nodes: Vec::new(), roots: Vec::with_capacity(trees.len()), sets: Vec::new() };
        for tree in trees {
            forest.push(tree, slots)?;
        }
        Ok(forest)
    }

    pub(super) fn memory(&self) -> usize {
        self.nodes.len() * size_of::<Packed>()
            + self.roots.len() * size_of::<Root>()
            + self.sets.iter().map(Set::memory).sum::<usize>()
    }

    fn push(&mut self, tree: &Tree, slots: &Slots<'_>) -> Result<()> {
        let start = self.nodes.len();
        let first_set = self.sets.len();
        self.sets.extend(tree.sets.iter().map(|set| Set::new(set)));
        // Level by level; `level` maps the nodes of this level to where they were in the tree.
        let mut level = vec![0u32];
        let mut depth = 0;
        loop {
            let base = self.nodes.len();
            let below = base + level.len();
            let mut next = Vec::new();
            for (offset, &at) in level.iter().enumerate() {
                let packed = match *tree.nodes.get(at as usize).ok_or_else(malformed)? {
                    Node::Leaf(value) => Packed { value, column: 0, next: index(base + offset)? },
                    Node::Split { feature, test, missing_left, left, right } => {
                        let node = index(below + next.len())?;
                        next.extend([left, right]);
                        let (value, kind) = match test {
                            Test::Less(threshold) => (threshold, 0),
                            Test::NotIn(set) if (set as usize) < tree.sets.len() => {
                                (f32::from_bits(index(first_set + set as usize)?), CATEGORICAL)
                            }
                            Test::NotIn(_) => return Err(malformed()),
                        };
                        let missing = if missing_left { 0 } else { MISSING_RIGHT };
                        Packed { value, column: slots.of(feature) << FLAG_BITS | SPLIT | kind | missing, next: node }
                    }
                };
                self.nodes.push(packed);
            }
            if self.nodes.len() - start > tree.nodes.len() {
                return Err(malformed());
            }
            if next.is_empty() {
                break;
            }
            depth += 1;
            level = next;
        }
        self.roots.push(Root { node: index(start)?, depth, output: tree.output });
        Ok(())
    }

    /// Adds the leaves of some trees for some rows of a block.
    pub(super) fn add_all(&self, trees: Range<usize>, columns: &[f32], rows: Range<usize>, out: &mut [f32]) {
        for tree in trees {
            let output = self.roots[tree].output as usize;
            let sums = &mut out[output * BLOCK..][..BLOCK];
            self.leaves(tree, columns, rows.clone(), |row, leaf| sums[row] += leaf);
        }
    }

    /// The leaf of one tree for each row.
    #[inline]
    pub(super) fn leaves(&self, tree: usize, columns: &[f32], rows: Range<usize>, mut each: impl FnMut(usize, f32)) {
        let root = &self.roots[tree];
        let together = (root.depth as usize).min(TOGETHER);
        let alone = root.depth as usize > TOGETHER;
        let mut row = rows.start;
        while row + LANES <= rows.end {
            let mut at = [root.node; LANES];
            for _ in 0..together {
                for (lane, at) in at.iter_mut().enumerate() {
                    *at = self.step(*at, columns, row + lane);
                }
            }
            for (lane, at) in at.into_iter().enumerate() {
                let leaf = if alone { self.finish(at, columns, row + lane) } else { at };
                each(row + lane, self.nodes[leaf as usize].value);
            }
            row += LANES;
        }
        for row in row..rows.end {
            each(row, self.nodes[self.finish(root.node, columns, row) as usize].value);
        }
    }

    fn finish(&self, mut at: u32, columns: &[f32], row: usize) -> u32 {
        while self.nodes[at as usize].column & SPLIT != 0 {
            at = self.step(at, columns, row);
        }
        at
    }

    #[inline(always)]
    fn step(&self, at: u32, columns: &[f32], row: usize) -> u32 {
        let node = self.nodes[at as usize];
        let value = columns.get((node.column >> FLAG_BITS) as usize * BLOCK + row).copied().unwrap_or(f32::NAN);
        let flags = node.column;
        let right = if flags & CATEGORICAL != 0 {
            self.category(node, value)
        } else {
            #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "a threshold that is NaN sends every value right")]
            let right = u32::from(!(value < node.value)) & u32::from(!value.is_nan());
            right | (u32::from(value.is_nan()) & flags & MISSING_RIGHT)
        };
        node.next + (right & (flags / SPLIT) & 1)
    }

    #[inline(never)]
    fn category(&self, node: Packed, value: f32) -> u32 {
        if value.is_nan() {
            return node.column & MISSING_RIGHT;
        }
        u32::from(self.sets[node.value.to_bits() as usize].contains(value))
    }
}

fn index(at: usize) -> Result<u32> {
    u32::try_from(at).map_err(|_| malformed())
}
