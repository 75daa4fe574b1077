//! The nodes of all trees level by level, from which every other form is made.
//!
//! A few rows score here: each walks the nodes of several trees side by side, so that the CPU waits for none of them.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{Leaves, Missing, Node, Read, Slots, Sum, Test, Tree, Value, index, malformed, set::Set};
use crate::{error::Result, memory};

/// Most trees walked side by side: more than the CPU looks ahead, so that it finds work while it waits for nodes.
const TOGETHER: usize = 64;
/// Columns of a feature.
const READINGS: usize = 3;
/// Most levels that are gone down before it is asked who is at a leaf: where one branch is very long, most leaves lie deep and few rows
/// come to them.
pub(super) const MOST_FIRST: u32 = 16;
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

/// Where a tree's walk begins.
#[derive(Clone, Copy)]
pub(super) struct Root {
    pub(super) node: u32,
    pub(super) levels: Levels,
}

/// How far down leaves lie.
#[derive(Clone, Copy)]
pub(super) struct Levels {
    /// The mean of the leaves, and of the rows that are scored as well, more or less.
    pub(super) usual: u32,
    /// The deepest leaf.
    pub(super) most: u32,
}

impl Levels {
    /// Those from some levels further down on.
    pub(super) fn below(self, levels: u32) -> Self {
        Self { usual: self.usual.saturating_sub(levels), most: self.most - levels }
    }
}

/// A node that is no leaf.
pub(super) struct Split<'a, T> {
    /// The left child, after which the right one follows.
    pub(super) left: u32,
    /// Which of the features it looks at.
    pub(super) slot: u32,
    /// The greatest value that goes left; NaN where none does.
    pub(super) cut: T,
    /// The categories asked for instead, and whether those inside go right.
    pub(super) set: Option<(&'a Set, bool)>,
    pub(super) missing: Missing,
    pub(super) missing_right: bool,
}

/// All trees.
pub(super) struct Forest<T> {
    nodes: Vec<Packed<T>>,
    roots: Vec<Root>,
    specials: Vec<Special<T>>,
    /// Columns that nodes name, known once slots have their last numbers.
    columns: usize,
}

impl<T: Value> Forest<T> {
    /// No trees, with room for so many nodes.
    pub(super) fn with_capacity(nodes: usize) -> Self {
        Self { nodes: memory::room(nodes), roots: Vec::new(), specials: Vec::new(), columns: 0 }
    }

    /// Adds the nodes of a tree, and its leaves to the others. Refuses what is no tree, or names leaves or sets that are not there:
    /// what is made of the rest may index without asking. `order` is working memory.
    pub(super) fn push<S: Sum>(
        &mut self,
        tree: &Tree<S>,
        leaves: &mut Leaves<S>,
        slots: &mut Slots<T>,
        order: &mut Vec<u32>,
    ) -> Result<()> {
        let start = self.nodes.len();
        index(start + tree.nodes.len())?;
        let numbers = leaves.push(tree)?;
        order.clear();
        order.push(0);
        let (mut at, mut depth) = (0, 0);
        // How many leaves there are, and the levels above all of them together.
        let (mut found, mut above) = (0, 0);
        loop {
            let level = order.len();
            while at < level {
                let (packed, leaf) = match *tree.nodes.get(order[at] as usize).ok_or_else(malformed)? {
                    Node::Leaf(number) if number < numbers.end - numbers.start => {
                        let next = (start + at) as u32;
                        (found, above) = (found + 1, above + u64::from(depth));
                        (Packed { cut: T::from_f64(f64::INFINITY), column: 1, next }, numbers.start + number)
                    }
                    Node::Leaf(_) => return Err(malformed()),
                    split @ Node::Split { left, right, .. } => {
                        let next = (start + order.len()) as u32;
                        order.extend([left, right]);
                        // No tree reaches a node twice.
                        if order.len() > tree.nodes.len() {
                            return Err(malformed());
                        }
                        let (cut, column) = self.pack(tree, (start + at) as u32, split, slots)?;
                        (Packed { cut, column, next }, 0)
                    }
                };
                self.nodes.push(packed);
                leaves.numbers.push(leaf);
                at += 1;
            }
            if order.len() == level {
                break;
            }
            depth += 1;
        }
        self.roots.push(Root { node: start as u32, levels: Levels { usual: (above / found) as u32, most: depth } });
        Ok(())
    }

    /// The cut and the column of a split.
    fn pack<S>(&mut self, tree: &Tree<S>, node: u32, split: Node, slots: &mut Slots<T>) -> Result<(T, u32)> {
        let Node::Split { feature, test, missing, missing_left, .. } = split else { return Err(malformed()) };
        let cut = T::cut(test);
        let slot = slots.look(feature, cut, node);
        let column = slot.checked_mul(READINGS as u32).filter(|&column| column < SPECIAL).ok_or_else(malformed)?;
        let set = |set: u32| tree.sets.get(set as usize).map(|set| Set::new(set)).ok_or_else(malformed);
        let ask = match test {
            Test::In(members) => Ask::Set { set: set(members)?, inside_right: false },
            Test::NotIn(members) => Ask::Set { set: set(members)?, inside_right: true },
            _ if missing == Missing::Never => return Ok((cut, column + 2)),
            // What goes left for NaN does not where nothing is at most the cut.
            _ if missing != Missing::Nan || (missing_left && cut.is_nan()) => Ask::Cut { cut, missing },
            _ => return Ok((cut, column + u32::from(missing_left))),
        };
        self.specials.push(Special { column, missing_right: !missing_left, ask });
        let place = index(self.specials.len() - 1)?;
        if place >= SPECIAL { Err(malformed()) } else { Ok((T::NAN, SPECIAL | place)) }
    }

    /// Gives each slot another number, so that there are so many.
    pub(super) fn rename(&mut self, places: &[u32], count: usize) {
        // A leaf looks at the second column.
        self.columns = READINGS * count.max(1);
        if places.iter().zip(0..).all(|(&place, slot)| place == slot) {
            return;
        }
        let columns: Vec<u32> =
            places.iter().flat_map(|place| (0..READINGS as u32).map(move |at| place * READINGS as u32 + at)).collect();
        for (node, at) in self.nodes.iter_mut().zip(0..) {
            if node.next != at && node.column & SPECIAL == 0 {
                node.column = columns[node.column as usize];
            }
        }
        self.specials.iter_mut().for_each(|special| special.column = columns[special.column as usize]);
    }

    /// Where each tree begins.
    pub(super) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The nodes of a tree, level by level.
    pub(super) fn nodes(&self, tree: usize) -> Range<u32> {
        let end = self.roots.get(tree + 1).map_or(self.nodes.len() as u32, |root| root.node);
        self.roots[tree].node..end
    }

    /// How many nodes all trees have.
    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Whether any split of a tree asks for categories.
    pub(super) fn has_sets(&self, tree: usize) -> bool {
        let asks = |node| self.split(node).is_some_and(|split| split.set.is_some());
        !self.specials.is_empty() && self.nodes(tree).any(asks)
    }

    /// A node as a split; none where it is a leaf.
    #[inline(always)]
    pub(super) fn split(&self, node: u32) -> Option<Split<'_, T>> {
        self.unpacked(self.nodes[node as usize], node)
    }

    #[inline(always)]
    fn unpacked(&self, packed: Packed<T>, node: u32) -> Option<Split<'_, T>> {
        let Packed { cut, column, next: left } = packed;
        if left == node {
            return None;
        }
        if column & SPECIAL == 0 {
            let (slot, reading) = (column / READINGS as u32, column % READINGS as u32);
            let missing = if reading == 2 { Missing::Never } else { Missing::Nan };
            return Some(Split { left, slot, cut, set: None, missing, missing_right: reading == 0 });
        }
        let Special { column, missing_right, ref ask } = self.specials[(column & !SPECIAL) as usize];
        let (cut, set, missing) = match *ask {
            Ask::Set { ref set, inside_right } => (T::NAN, Some((set, inside_right)), Missing::Nan),
            Ask::Cut { cut, missing } => (cut, None, missing),
        };
        Some(Split { left, slot: column / READINGS as u32, cut, set, missing, missing_right })
    }

    pub(super) fn memory(&self) -> usize {
        let special = |special: &Special<T>| match &special.ask {
            Ask::Set { set, .. } => set.memory(),
            Ask::Cut { .. } => 0,
        };
        size_of_val(&*self.nodes)
            + size_of_val(&*self.roots)
            + size_of_val(&*self.specials)
            + self.specials.iter().map(special).sum::<usize>()
    }

    /// Adds the leaves of some trees for some rows of so many features; `out` is runs of `stride`.
    pub(super) fn add<S: Sum>(
        &self,
        trees: Range<usize>,
        leaves: &Leaves<S>,
        (read, features): (Read<'_, T>, usize),
        rows: usize,
        (out, stride): (&mut [S], usize),
    ) {
        let mut values = vec![T::ZERO; features.max(1) * READINGS];
        assert!(values.len() >= self.columns);
        // SAFETY: no node that is not special names a column beyond `self.columns` (`rename`).
        let plain = |values: &[T], node: Packed<T>| unsafe { above(*values.get_unchecked(node.column as usize), node.cut) };
        let mut found = [0; TOGETHER];
        for row in 0..rows {
            for (feature, readings) in values.as_chunks_mut::<READINGS>().0.iter_mut().enumerate().take(features) {
                let mut value = [T::ZERO];
                read(feature, row..row + 1, &mut value);
                let [value] = value;
                *readings = if value.is_nan() { [value, T::from_f64(f64::NEG_INFINITY), T::ZERO] } else { [value; READINGS] };
            }
            for start in trees.clone().step_by(TOGETHER) {
                let group = start..trees.end.min(start + TOGETHER);
                let (roots, found) = (&self.roots[group.clone()], &mut found[..group.len()]);
                match self.specials.is_empty() {
                    true => self.down(roots, found, |node| plain(&values, node)),
                    false => self.down(roots, found, |node| match node.column & SPECIAL {
                        0 => plain(&values, node),
                        _ => self.specials[(node.column & !SPECIAL) as usize].right(&values),
                    }),
                }
                // All numbers before all values, so that the CPU waits for many at a time.
                found.iter_mut().for_each(|at| *at = leaves.numbers[*at as usize]);
                leaves.add_row(group, found, &mut out[row..], stride);
            }
        }
    }

    /// Finds the nodes that are the leaves of some trees.
    #[inline(always)]
    fn down(&self, roots: &[Root], found: &mut [u32], right: impl Fn(Packed<T>) -> bool) {
        let step = |at: u32| {
            // SAFETY: `at` begins with a root, and a node's `next` and the one after it are nodes of the same tree (`push`).
            let node = unsafe { *self.nodes.get_unchecked(at as usize) };
            node.next + u32::from(right(node))
        };
        let (mut usual, mut most) = (0, 0);
        for (at, root) in found.iter_mut().zip(roots) {
            (*at, usual, most) = (root.node, root.levels.usual.max(usual), root.levels.most.max(most));
        }
        let first = usual.min(MOST_FIRST);
        for _ in 0..first {
            found.iter_mut().for_each(|at| *at = step(*at));
        }
        // Few trees are likely to have further to go, or none.
        for _ in first..most {
            let mut moved = 0;
            for at in found.iter_mut() {
                let next = step(*at);
                moved |= next ^ *at;
                *at = next;
            }
            if moved == 0 {
                break;
            }
        }
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
