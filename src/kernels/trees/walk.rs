//! The nodes of all trees, from which every other form is made, and scoring by following these nodes.
//!
//! Batches of a few rows are scored this way: each row goes down many trees at the same time, so that the CPU works on other
//! trees while it waits for a node from memory.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{Leaves, Missing, Node, Read, Slots, Sum, Test, Tree, Value, index, malformed, set::Set};
use crate::{error::Result, memory};

/// How many trees a row goes down at the same time: more than the CPU can have in flight, so that it has work while it waits for
/// nodes.
const TOGETHER: usize = 64;
/// In how many ways a feature's value is kept for the nodes that compare it; see [`PackedBranch`].
const READINGS: usize = 3;
/// The largest number of levels that rows go down before it is checked which have reached a leaf. A tree with one very long
/// branch has a large mean depth of leaves, though few rows go down that branch.
pub(super) const MOST_FIRST: u32 = 16;
/// The column that leaves compare: its value is never above the number that a leaf holds instead of a cut.
const LEAF: u32 = 0;
/// The column of a [`SpecialSplit`], whose number is kept where other nodes have their cut.
const SPECIAL: u32 = (1 << COLUMN_BITS) - 1;
const COLUMN_BITS: u32 = 16;

/// The branch of a node, which follows its cut in the packed node. The high bits say how many nodes after this one its left child
/// lies, which the right child follows directly. The low [`COLUMN_BITS`] bits name the column that is compared.
///
/// Column [`LEAF`] comes first; then each feature has [`READINGS`] columns, which differ in what stands for NaN: a value above
/// every cut (missing values go right), a value below every cut (they go left), and zero.
///
/// A leaf has its own number instead of a cut, and is its own child.
#[derive(Clone, Copy)]
struct PackedBranch(u32);

impl PackedBranch {
    /// The branch of a node that compares `column` and whose left child lies `further` nodes after it; `None` where either number
    /// has too many bits.
    fn new(column: u64, further: u32) -> Option<Self> {
        let further = u16::try_from(further).ok()?;
        (column < u64::from(SPECIAL)).then_some(Self(u32::from(further) << COLUMN_BITS | column as u32))
    }

    #[inline(always)]
    fn column(self) -> u32 {
        self.0 & SPECIAL
    }

    #[inline(always)]
    fn further(self) -> u32 {
        self.0 >> COLUMN_BITS
    }

    /// A node that holds a number instead of a cut.
    fn numbered<T: Value>(column: u32, number: u32) -> T::Ranked {
        (u64::from(number) << u32::BITS | u64::from(column)).into()
    }

    /// The branch of a packed node, and the number that a leaf or a special split holds instead of a cut.
    #[inline(always)]
    fn of<T: Value>(node: T::Ranked) -> (Self, u32) {
        let low = T::low(node);
        (Self(low as u32), (low >> u32::BITS) as u32)
    }
}

/// A split that needs more than the comparison of a number with a cut, or whose [`PackedBranch`] has too few bits.
struct SpecialSplit<T> {
    left: u32,
    slot: u32,
    missing_right: bool,
    ask: Ask<T>,
}

enum Ask<T> {
    /// What is in the set goes right, or what is not.
    Set { set: Set, inside_right: bool },
    /// What is above the cut goes right.
    Cut { cut: T, missing: Missing },
}

/// The root of a tree.
#[derive(Clone, Copy)]
pub(super) struct Root {
    pub(super) node: u32,
    pub(super) levels: Levels,
}

/// At which depth the leaves of a tree lie.
#[derive(Clone, Copy)]
pub(super) struct Levels {
    /// The mean depth of the leaves, an estimate of the mean depth that the rows to be scored will reach.
    pub(super) usual: u32,
    /// The depth of the deepest leaf.
    pub(super) most: u32,
}

impl Levels {
    /// The same, counted from nodes that lie some levels below.
    pub(super) fn below(self, levels: u32) -> Self {
        Self { usual: self.usual.saturating_sub(levels), most: self.most - levels }
    }
}

/// A node that is no leaf.
pub(super) struct Split<'a, T> {
    /// The left child, after which the right one follows.
    pub(super) left: u32,
    /// Which of the features it compares.
    pub(super) slot: u32,
    /// The greatest value that goes left; NaN where none does.
    pub(super) cut: T,
    /// The set of categories that decides instead of a cut, and whether its members go right.
    pub(super) set: Option<(&'a Set, bool)>,
    pub(super) missing: Missing,
    pub(super) missing_right: bool,
}

/// The nodes of all trees.
pub(super) struct NodeForest<T: Value> {
    /// Each is a cut, ranked, with a [`PackedBranch`] in its low bits.
    nodes: Vec<T::Ranked>,
    roots: Vec<Root>,
    specials: Vec<SpecialSplit<T>>,
    /// How many columns there are for nodes to name; known after [`NodeForest::rename`].
    columns: usize,
}

/// A node whose place is known and which is still to be packed.
pub(super) struct Pending {
    place: u32,
    node: u32,
    depth: u32,
}

impl<T: Value> NodeForest<T> {
    /// No trees yet, with memory reserved for `nodes` nodes.
    pub(super) fn with_capacity(nodes: usize) -> Self {
        Self { nodes: memory::room(nodes), roots: Vec::new(), specials: Vec::new(), columns: 0 }
    }

    /// Adds the nodes and the leaves of a tree. Refuses nodes that do not form a tree and numbers of leaves or sets that do not
    /// exist, so that the kernels may index without checks. `open` is working memory.
    pub(super) fn push<S: Sum>(
        &mut self,
        tree: &Tree<S>,
        leaves: &mut Leaves<S>,
        slots: &mut Slots<T>,
        open: &mut Vec<Pending>,
    ) -> Result<()> {
        index(self.nodes.len() + tree.nodes.len())?;
        let root = self.nodes.len() as u32;
        let numbers = leaves.push(tree)?;
        // The depth of the deepest leaf, the number of leaves, and the sum of their depths.
        let (mut most, mut found, mut above) = (0, 0, 0);
        self.nodes.push(T::Ranked::default());
        open.clear();
        open.push(Pending { place: root, node: 0, depth: 0 });
        while let Some(Pending { place, node, depth }) = open.pop() {
            self.nodes[place as usize] = match *tree.nodes.get(node as usize).ok_or_else(malformed)? {
                Node::Leaf(number) if number < numbers.end - numbers.start => {
                    (most, found, above) = (depth.max(most), found + 1, above + u64::from(depth));
                    PackedBranch::numbered::<T>(LEAF, numbers.start + number)
                }
                Node::Leaf(_) => return Err(malformed()),
                split @ Node::Split { left, right, .. } => {
                    let next = self.nodes.len() as u32;
                    // A node that is reached twice would make more nodes than the tree has.
                    if (next - root) as usize + 2 > tree.nodes.len() {
                        return Err(malformed());
                    }
                    self.nodes.extend([T::Ranked::default(); 2]);
                    // The nodes below the left child are placed first, so that they lie near it.
                    open.push(Pending { place: next + 1, node: right, depth: depth + 1 });
                    open.push(Pending { place: next, node: left, depth: depth + 1 });
                    self.pack(tree, split, (place, next), slots)?
                }
            };
        }
        self.roots.push(Root { node: root, levels: Levels { usual: (above / found) as u32, most } });
        Ok(())
    }

    /// Packs a split that is placed at `place` and has its left child at `left`.
    fn pack<S>(&mut self, tree: &Tree<S>, split: Node, (place, left): (u32, u32), slots: &mut Slots<T>) -> Result<T::Ranked> {
        let Node::Split { feature, test, missing, missing_left, .. } = split else { return Err(malformed()) };
        let cut = T::cut(test);
        let slot = slots.look(feature, cut, place);
        let set = |set: u32| tree.sets.get(set as usize).map(|set| Set::new(set)).ok_or_else(malformed);
        let (ask, reading) = match test {
            Test::In(members) => (Ask::Set { set: set(members)?, inside_right: false }, None),
            Test::NotIn(members) => (Ask::Set { set: set(members)?, inside_right: true }, None),
            Test::Less(_) | Test::AtMost(_) => {
                let reading = match missing {
                    // With a cut of NaN no number goes left, but a missing value may: no reading can say that.
                    Missing::Nan if missing_left && cut.is_nan() => None,
                    Missing::Nan => Some(u32::from(missing_left)),
                    Missing::Zero => None,
                    Missing::Never => Some(2),
                };
                (Ask::Cut { cut, missing }, reading)
            }
        };
        let branch = |reading| PackedBranch::new(column(slot, reading), left - place);
        if let Some(PackedBranch(branch)) = reading.and_then(branch) {
            return Ok(if cut.is_nan() { u64::from(branch).into() } else { cut.ranked(branch) });
        }
        Ok(self.special(SpecialSplit { left, slot, missing_right: !missing_left, ask }))
    }

    fn special(&mut self, special: SpecialSplit<T>) -> T::Ranked {
        self.specials.push(special);
        // The number fits, for there are no more special splits than nodes.
        PackedBranch::numbered::<T>(SPECIAL, self.specials.len() as u32 - 1)
    }

    /// Changes the number of each slot to that in `places`, of which there are `count`.
    pub(super) fn rename(&mut self, places: &[u32], count: usize) {
        self.columns = 1 + READINGS * count;
        if places.iter().zip(0..).all(|(&place, slot)| place == slot) {
            return;
        }
        for place in 0..self.nodes.len() {
            let (branch, _) = PackedBranch::of::<T>(self.nodes[place]);
            if branch.column() == LEAF || branch.column() == SPECIAL {
                continue;
            }
            let (slot, reading) = slot(branch.column());
            if let Some(renamed) = PackedBranch::new(column(places[slot as usize], reading), branch.further()) {
                self.nodes[place] = self.nodes[place] ^ u64::from(branch.0 ^ renamed.0).into();
            } else if let Some(Split { left, cut, missing, missing_right, .. }) = self.split(place as u32) {
                self.nodes[place] = self.special(SpecialSplit { left, slot, missing_right, ask: Ask::Cut { cut, missing } });
            }
        }
        self.specials.iter_mut().for_each(|special| special.slot = places[special.slot as usize]);
    }

    /// The root of each tree.
    pub(super) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The nodes of a tree.
    pub(super) fn nodes(&self, tree: usize) -> Range<u32> {
        let end = self.roots.get(tree + 1).map_or(self.nodes.len() as u32, |root| root.node);
        self.roots[tree].node..end
    }

    /// How many nodes all trees have.
    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Whether any split of a tree is decided by a set of categories.
    pub(super) fn has_sets(&self, tree: usize) -> bool {
        let asks = |node| self.split(node).is_some_and(|split| split.set.is_some());
        !self.specials.is_empty() && self.nodes(tree).any(asks)
    }

    /// The number of a node that is a leaf.
    #[inline(always)]
    pub(super) fn leaf(&self, node: u32) -> u32 {
        PackedBranch::of::<T>(self.nodes[node as usize]).1
    }

    /// A node as a split; `None` where it is a leaf.
    #[inline(always)]
    pub(super) fn split(&self, node: u32) -> Option<Split<'_, T>> {
        let packed = self.nodes[node as usize];
        let (branch, number) = PackedBranch::of::<T>(packed);
        match branch.column() {
            LEAF => None,
            SPECIAL => {
                let SpecialSplit { left, slot, missing_right, ref ask } = self.specials[number as usize];
                let (cut, set, missing) = match *ask {
                    Ask::Set { ref set, inside_right } => (T::NAN, Some((set, inside_right)), Missing::Nan),
                    Ask::Cut { cut, missing } => (cut, None, missing),
                };
                Some(Split { left, slot, cut, set, missing, missing_right })
            }
            column => {
                let (slot, reading) = slot(column);
                let missing = if reading == 2 { Missing::Never } else { Missing::Nan };
                let (left, cut) = (node + branch.further(), T::of_ranked(packed).0);
                Some(Split { left, slot, cut, set: None, missing, missing_right: reading == 0 })
            }
        }
    }

    pub(super) fn memory(&self) -> usize {
        let special = |special: &SpecialSplit<T>| match &special.ask {
            Ask::Set { set, .. } => set.memory(),
            Ask::Cut { .. } => 0,
        };
        size_of_val(&*self.nodes)
            + size_of_val(&*self.roots)
            + size_of_val(&*self.specials)
            + self.specials.iter().map(special).sum::<usize>()
    }

    /// Adds the leaves that some rows reach in some trees. `read` gives the values of each of `features`; `out` is one run of
    /// `stride` sums for each output.
    pub(super) fn add<S: Sum>(
        &self,
        trees: Range<usize>,
        leaves: &Leaves<S>,
        (read, features): (Read<'_, T>, usize),
        rows: usize,
        (out, stride): (&mut [S], usize),
    ) {
        let mut values = vec![T::Ranked::default(); 1 + features * READINGS];
        assert!(values.len() >= self.columns);
        let mut found = [0; TOGETHER];
        for row in 0..rows {
            for (feature, readings) in values[1..].as_chunks_mut::<READINGS>().0.iter_mut().enumerate() {
                let mut value = [T::ZERO];
                read(feature, row..row + 1, &mut value);
                let [value] = value;
                *readings = match value.is_nan() {
                    true => [T::ABOVE, T::Ranked::default(), T::ZERO.ranked(0)],
                    false => [value.ranked(0); READINGS],
                };
            }
            for start in trees.clone().step_by(TOGETHER) {
                let group = start..trees.end.min(start + TOGETHER);
                let (roots, found) = (&self.roots[group.clone()], &mut found[..group.len()]);
                match self.specials.is_empty() {
                    true => self.down::<false>(roots, found, &values),
                    false => self.down::<true>(roots, found, &values),
                }
                // All leaves are prefetched before the first is added, so that they are loaded at the same time.
                for at in found.iter_mut() {
                    *at = self.leaf(*at);
                    leaves.fetch_leaf(*at);
                }
                leaves.add_row(group, found, &mut out[row..], stride);
            }
        }
    }

    /// Follows the nodes of some trees down to their leaves. `SPECIALS` says whether there may be special splits.
    #[inline(always)]
    fn down<const SPECIALS: bool>(&self, roots: &[Root], found: &mut [u32], values: &[T::Ranked]) {
        let step = |at: u32| {
            // SAFETY: `at` begins with a root, and a node's children are nodes of the same tree (`push`).
            let node = unsafe { *self.nodes.get_unchecked(at as usize) };
            let (branch, number) = PackedBranch::of::<T>(node);
            if SPECIALS && branch.column() == SPECIAL {
                return self.specials[number as usize].next(values);
            }
            // SAFETY: no node that is not special names a column beyond `self.columns` (`rename`), which `values` holds (`add`).
            let value = unsafe { *values.get_unchecked(branch.column() as usize) };
            at + branch.further() + u32::from(T::is_above(value, node))
        };
        let (mut usual, mut most) = (0, 0);
        for (at, root) in found.iter_mut().zip(roots) {
            (*at, usual, most) = (root.node, root.levels.usual.max(usual), root.levels.most.max(most));
        }
        let first = usual.min(MOST_FIRST);
        for _ in 0..first {
            // Eight trees are advanced without an inner loop. In double precision the compiler would turn that into slow gathers.
            let (runs, rest) =
                if size_of::<T>() == size_of::<f32>() { found.as_chunks_mut::<8>() } else { (&mut [][..], &mut *found) };
            runs.iter_mut().for_each(|run| *run = run.map(step));
            rest.iter_mut().for_each(|at| *at = step(*at));
        }
        // By now most trees, or all, have reached a leaf.
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

/// The column that holds a reading of a slot.
fn column(slot: u32, reading: u32) -> u64 {
    1 + u64::from(slot) * READINGS as u64 + u64::from(reading)
}

/// The slot and the reading that a column holds; not of column [`LEAF`].
#[inline(always)]
fn slot(column: u32) -> (u32, u32) {
    ((column - 1) / READINGS as u32, (column - 1) % READINGS as u32)
}

impl<T: Value> SpecialSplit<T> {
    /// The child that a row goes to.
    #[inline(never)]
    fn next(&self, values: &[T::Ranked]) -> u32 {
        let (value, _) = T::of_ranked(values[self.slot as usize * READINGS + 1]);
        self.left + u32::from(self.right(value))
    }

    fn right(&self, value: T) -> bool {
        match &self.ask {
            Ask::Set { .. } if value.is_nan() => self.missing_right,
            Ask::Set { set, inside_right } => set.contains(value.double()) == *inside_right,
            Ask::Cut { missing: Missing::Nan, .. } if value.is_nan() => self.missing_right,
            Ask::Cut { missing: Missing::Zero, .. } if is_zero(value) => self.missing_right,
            Ask::Cut { missing: Missing::Never, cut } if value.is_nan() => above(T::ZERO, *cut),
            Ask::Cut { cut, .. } => above(value, *cut),
        }
    }
}

/// Whether a value goes right: everything does where the cut is NaN.
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is above nothing, and nothing is at most NaN")]
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
