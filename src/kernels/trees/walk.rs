//! A few rows: each walks the nodes of several trees side by side, so that the CPU waits for none of them.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{Leaves, Missing, Node, Placed, Slots, Sum, Test, Tree, Value, index, lanes::descend, malformed, set::Set};
use crate::error::Result;

/// Trees walked side by side.
const LANES: usize = 16;
/// Columns of a feature.
const READINGS: usize = 3;
/// Marks the place of a [`Special`] where other nodes have a column.
const SPECIAL: u32 = 1 << 31;

/// The right child follows the left one. A leaf's `next` is itself, and no value is above its cut.
#[derive(Clone, Copy)]
struct Packed<T> {
    /// The greatest value that goes left.
    cut: T,
    /// Each feature has [`READINGS`] columns: as it is, so that NaN goes right, with what goes left for NaN, and with zero for it.
    column: u32,
    next: u32,
}

/// A split that asks more than whether a number is above the cut.
struct Special<T> {
    column: u32,
    missing_right: bool,
    ask: Ask<T>,
}

enum Ask<T> {
    /// What is in the set goes right, or what is not.
    Set { set: Set, inside_right: bool },
    /// By a cut, with other values missing than NaN.
    Cut { cut: T, missing: Missing },
}

struct Root {
    node: u32,
    depth: u32,
}

/// All trees.
pub(super) struct Forest<T> {
    nodes: Vec<Packed<T>>,
    /// The number of each node that is a leaf.
    leaves: Vec<u32>,
    roots: Vec<Root>,
    specials: Vec<Special<T>>,
    /// Columns that nodes name.
    columns: usize,
}

impl<T: Value> Forest<T> {
    pub(super) fn new<S>(trees: &[Placed<'_, S>], slots: &Slots) -> Result<Self> {
        let mut forest = Self {
            nodes: Vec::new(),
            leaves: Vec::new(),
            roots: Vec::with_capacity(trees.len()),
            specials: Vec::new(),
            // A leaf looks at the second one.
            columns: READINGS,
        };
        for &Placed { tree, first_leaf, .. } in trees {
            let start = forest.nodes.len();
            // Level by level; the tree's nodes that come next, and how deep they lie.
            let mut order = vec![(0u32, 0u32)];
            let mut at = 0;
            while let Some(&(from, depth)) = order.get(at) {
                let (packed, leaf) = match tree.nodes[from as usize] {
                    Node::Leaf(number) => {
                        (Packed { cut: T::from_f64(f64::INFINITY), column: 1, next: index(start + at)? }, first_leaf + number)
                    }
                    split @ Node::Split { left, right, .. } => {
                        let next = index(start + order.len())?;
                        order.extend([(left, depth + 1), (right, depth + 1)]);
                        let (cut, column) = forest.question(tree, split, slots)?;
                        if column & SPECIAL == 0 {
                            forest.columns = forest.columns.max(column as usize + 1);
                        }
                        (Packed { cut, column, next }, 0)
                    }
                };
                forest.nodes.push(packed);
                forest.leaves.push(leaf);
                at += 1;
            }
            let depth = order.last().map_or(0, |&(_, depth)| depth);
            forest.roots.push(Root { node: index(start)?, depth });
        }
        Ok(forest)
    }

    /// The cut and the column of a split.
    fn question<S>(&mut self, tree: &Tree<S>, split: Node, slots: &Slots) -> Result<(T, u32)> {
        let Node::Split { feature, test, missing, missing_left, .. } = split else { return Err(malformed()) };
        let column = slots.of(feature).checked_mul(READINGS as u32).filter(|&column| column < SPECIAL).ok_or_else(malformed)?;
        let cut = T::cut(test);
        let set = |set: u32| Set::new(&tree.sets[set as usize]);
        let ask = match test {
            Test::In(members) => Ask::Set { set: set(members), inside_right: false },
            Test::NotIn(members) => Ask::Set { set: set(members), inside_right: true },
            _ if missing == Missing::Never => return Ok((cut, column + 2)),
            // What goes left for NaN does not where nothing is at most the cut.
            _ if missing != Missing::Nan || (missing_left && cut.is_nan()) => Ask::Cut { cut, missing },
            _ => return Ok((cut, column + u32::from(missing_left))),
        };
        self.specials.push(Special { column, missing_right: !missing_left, ask });
        let place = index(self.specials.len() - 1)?;
        if place >= SPECIAL { Err(malformed()) } else { Ok((T::NAN, SPECIAL | place)) }
    }

    pub(super) fn memory(&self) -> usize {
        let special = |special: &Special<T>| match &special.ask {
            Ask::Set { set, .. } => set.memory(),
            Ask::Cut { .. } => 0,
        };
        size_of_val(&*self.nodes)
            + size_of_val(&*self.leaves)
            + size_of_val(&*self.roots)
            + size_of_val(&*self.specials)
            + self.specials.iter().map(special).sum::<usize>()
    }

    /// Adds the leaves of some trees for the first rows; `columns` and `out` are runs of `stride`.
    pub(super) fn add<S: Sum>(
        &self,
        trees: Range<usize>,
        leaves: &Leaves<S>,
        (columns, stride): (&[T], usize),
        rows: usize,
        out: &mut [S],
    ) {
        let mut values = vec![T::ZERO; (columns.len() / stride).max(1) * READINGS];
        assert!(values.len() >= self.columns);
        // SAFETY: no node that is not special names a column beyond `self.columns`.
        let plain = |values: &[T], node: Packed<T>| unsafe { above(*values.get_unchecked(node.column as usize), node.cut) };
        for row in 0..rows {
            for (readings, column) in values.as_chunks_mut::<READINGS>().0.iter_mut().zip(columns.chunks_exact(stride)) {
                let value = column[row];
                *readings = if value.is_nan() { [value, T::from_f64(f64::NEG_INFINITY), T::ZERO] } else { [value; READINGS] };
            }
            for start in trees.clone().step_by(LANES) {
                let count = LANES.min(trees.end - start);
                let found = match self.specials.is_empty() {
                    true => self.down(start, count, |node| plain(&values, node)),
                    false => self.down(start, count, |node| match node.column & SPECIAL {
                        0 => plain(&values, node),
                        _ => self.specials[(node.column & !SPECIAL) as usize].right(&values),
                    }),
                };
                for (&output, leaf) in leaves.outputs[start..start + count].iter().zip(found) {
                    let sums = out[output as usize * stride + row..].iter_mut().step_by(stride);
                    let values = &leaves.values[leaf as usize * leaves.width..][..leaves.width];
                    sums.zip(values).for_each(|(sum, &value)| *sum += value);
                }
            }
        }
    }

    /// The leaves of some trees that follow one another.
    #[inline(always)]
    fn down(&self, start: usize, count: usize, right: impl Fn(Packed<T>) -> bool) -> [u32; LANES] {
        // Beyond the last tree the lanes repeat it.
        let at: [u32; LANES] = std::array::from_fn(|lane| self.roots[start + lane.min(count - 1)].node);
        let depth = self.roots[start..start + count].iter().map(|root| root.depth).max().unwrap_or(0);
        let step = |at: [u32; LANES]| -> [u32; LANES] {
            std::array::from_fn(|lane| {
                // SAFETY: `at` begins with a root, and a node's `next` and the one after it are nodes of the same tree (`new`).
                let node = unsafe { *self.nodes.get_unchecked(at[lane] as usize) };
                node.next + u32::from(right(node))
            })
        };
        let at = descend(at, depth, step);
        std::array::from_fn(|lane| self.leaves[at[lane] as usize])
    }
}

impl<T: Value> Special<T> {
    #[inline(never)]
    fn right(&self, values: &[T]) -> bool {
        let value = values[self.column as usize];
        match &self.ask {
            Ask::Set { .. } if value.is_nan() => self.missing_right,
            Ask::Set { set, inside_right } => set.contains(value.double()) == *inside_right,
            Ask::Cut { missing: Missing::Nan, .. } if value.is_nan() => self.missing_right,
            Ask::Cut { missing: Missing::Zero, .. } if is_zero(value) => self.missing_right,
            Ask::Cut { cut, .. } => above(value, *cut),
        }
    }
}

/// Whether a value goes right: NaN does, and so does everything where the cut is NaN.
#[inline(always)]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN on either side goes right")]
fn above<T: Value>(value: T, cut: T) -> bool {
    !(value <= cut)
}

/// Whether [`Missing::Zero`] takes a value as missing.
#[inline(always)]
pub(super) fn is_zero<T: Value>(value: T) -> bool {
    /// LightGBM's `kZeroThreshold`, a single float.
    const ZERO: f64 = 1e-35f32 as f64;
    value.is_nan() | (value.double().abs() <= ZERO)
}
