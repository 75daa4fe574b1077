//! A few rows: each walks the nodes of several trees side by side, so that the CPU waits for none of them.

use std::ops::Range;

use super::{BLOCK, Leaves, Missing, Node, Slots, Sum, Test, Tree, Value, index, malformed, set::Set};
use crate::error::Result;

/// Trees that a row walks side by side.
const LANES: usize = 8;

const MISSING_RIGHT: u32 = 1;
const SPLIT: u32 = 2;
/// What is asked is not just whether a number is above the cut.
const SPECIAL: u32 = 4;
const ZERO: u32 = 8;
const NEVER: u32 = 16;
const SET: u32 = 32;
const IN: u32 = 64;
const FLAG_BITS: u32 = 7;

/// The right child follows the left one. A leaf's `next` is itself.
#[derive(Clone, Copy)]
struct Packed<T> {
    /// The greatest value that goes left; a set's place; a leaf's number.
    cut: T,
    /// The column, and flags in the low bits.
    column: u32,
    next: u32,
}

/// All trees.
pub(super) struct Forest<T> {
    nodes: Vec<Packed<T>>,
    roots: Vec<u32>,
    sets: Vec<Set>,
}

impl<T: Value> Forest<T> {
    /// `first` are the trees' first leaves.
    pub(super) fn new<S>(trees: &[Tree<S>], first: &[u32], slots: &Slots<'_>) -> Result<Self> {
        let mut forest = Self { nodes: Vec::new(), roots: Vec::with_capacity(trees.len()), sets: Vec::new() };
        if slots.features.len() >= 1 << (32 - FLAG_BITS) {
            return Err(malformed());
        }
        for (tree, &first) in trees.iter().zip(first) {
            let sets = forest.sets.len();
            forest.sets.extend(tree.sets.iter().map(|set| Set::new(set)));
            let start = forest.nodes.len();
            forest.roots.push(index(start)?);
            // Level by level: places of the nodes that are next, in the tree.
            let mut order = vec![0u32];
            let mut at = 0;
            while let Some(&from) = order.get(at) {
                let packed = match tree.nodes[from as usize] {
                    Node::Leaf(number) => Packed { cut: T::from_index(first + number), column: 0, next: index(start + at)? },
                    Node::Split { feature, test, missing, missing_left, left, right } => {
                        let next = index(start + order.len())?;
                        order.extend([left, right]);
                        let (cut, flags) = match test {
                            Test::Less(_) | Test::AtMost(_) => match missing {
                                Missing::Nan => (T::cut(test), 0),
                                Missing::Zero => (T::cut(test), SPECIAL | ZERO),
                                Missing::Never => (T::cut(test), SPECIAL | NEVER),
                            },
                            Test::In(set) => (T::from_index(index(sets + set as usize)?), SPECIAL | SET | IN),
                            Test::NotIn(set) => (T::from_index(index(sets + set as usize)?), SPECIAL | SET),
                        };
                        let side = if missing_left { 0 } else { MISSING_RIGHT };
                        Packed { cut, column: slots.of(feature) << FLAG_BITS | SPLIT | flags | side, next }
                    }
                };
                forest.nodes.push(packed);
                at += 1;
            }
        }
        Ok(forest)
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.nodes) + size_of_val(&*self.roots) + self.sets.iter().map(Set::memory).sum::<usize>()
    }

    /// Adds the leaves of some trees for the first rows of a block.
    pub(super) fn add<S: Sum>(&self, trees: Range<usize>, leaves: &Leaves<S>, columns: &[T], rows: usize, out: &mut [S]) {
        for row in 0..rows {
            for start in trees.clone().step_by(LANES) {
                let count = LANES.min(trees.end - start);
                // Beyond the last tree the lanes repeat it.
                let mut at: [u32; LANES] = std::array::from_fn(|lane| self.roots[start + lane.min(count - 1)]);
                while at.iter_mut().fold(false, |any, at| any | self.step(at, columns, row)) {}
                for (tree, at) in (start..start + count).zip(at) {
                    let leaf = self.nodes[at as usize].cut.index();
                    leaves.add([leaf], row, &mut out[leaves.outputs[tree] as usize * BLOCK..], |row| row);
                }
            }
        }
    }

    /// Goes one level down; whether there was one.
    #[inline(always)]
    fn step(&self, at: &mut u32, columns: &[T], row: usize) -> bool {
        let node = self.nodes[*at as usize];
        let split = node.column & SPLIT;
        let value = columns.get((node.column >> FLAG_BITS) as usize * BLOCK + row).copied().unwrap_or(T::NAN);
        let right = if node.column & SPECIAL != 0 {
            self.special(node, value)
        } else {
            #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "a cut that is NaN sends every number right")]
            let right = !(value <= node.cut);
            u32::from(right & !value.is_nan()) | (u32::from(value.is_nan()) & node.column & MISSING_RIGHT)
        };
        *at = node.next + (right & (split / SPLIT));
        split != 0
    }

    #[inline(never)]
    fn special(&self, node: Packed<T>, mut value: T) -> u32 {
        let missing = node.column & MISSING_RIGHT;
        if node.column & SET != 0 {
            let inside = self.sets[node.cut.index() as usize].contains(value.double());
            return if value.is_nan() { missing } else { u32::from(inside != (node.column & IN != 0)) };
        }
        if node.column & NEVER != 0 {
            value = if value.is_nan() { T::ZERO } else { value };
        } else if node.column & ZERO != 0 && is_zero(value) {
            return missing;
        }
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "a cut that is NaN sends every number right")]
        let right = !(value <= node.cut);
        u32::from(right)
    }
}

/// Whether [`Missing::Zero`] takes a value as missing.
#[inline(always)]
pub(super) fn is_zero<T: Value>(value: T) -> bool {
    /// LightGBM's `kZeroThreshold`, a single float.
    const ZERO: f64 = 1e-35f32 as f64;
    value.is_nan() | (value.double().abs() <= ZERO)
}
