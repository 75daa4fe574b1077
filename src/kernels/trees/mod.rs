//! Sums of decision trees over blocks of columns, whatever library trained them.
//!
//! Libraries differ in what a split compares, in what counts as missing and in the precision of values and sums. All splits are
//! brought to one form here: a row goes left when its value is at most the *cut* of the split. A value's *bin* is the number of
//! cuts of its feature that are less than the value, so comparing bins decides every split exactly. Leaves are added in the order
//! of the trees, in the library's precision, so that the sums are the library's to the last bit.
//!
//! ```text
//!                    Tree (as a library's model gives it)
//!                      |  Builder::push
//!                      v
//!                    walk::NodeForest: all nodes, each in 8 or 16 bytes       Leaves: what each leaf adds
//!                      |  Builder::finish                                        |
//!          +-----------+----------------------+                                  |
//!          v                                  v                                  |
//!   Path::Portable                     Path::Avx2, Path::Avx512                  |
//!   binned::BinnedForest               compared::ComparedForest                  |
//!          |                             | one TreeForm for each tree            |
//!          v                             v                                       v
//!   values -> bins (u16)          values -> bins (i8, u16) -> leaf of each row -> sums
//! ```
//!
//! Each form below is chosen for a whole ensemble, or with vectors for each tree by itself. Times are CPU nanoseconds a row and
//! tree, in batches of 10,000 rows with AVX2 unless something else is said, from `benches/RESULTS.md`.
//!
//! | form | chosen when | cost |
//! |---|---|---|
//! | walk over values ([`walk`]) | fewer than [`FEW_ROWS`] rows, or more columns of bins than a node can name | one load and one comparison a level, 64 trees side by side: 24 to 39 in boosted trees, 50 to 62 at depth 10 and about 200 at depth 20, for one row |
//! | walk over bins ([`binned`]) | `Path::Portable`; with vectors, trees that are large and ask for categories or need too many columns | bins once a block, then one step a level, 8 rows side by side: 10 to 15 in boosted trees, 22 at depth 10, 40 at depth 20 |
//! | all nodes of a full tree ([`compared::Numbering::Full`]) | depth of at most [`compared::FULL_DEPTH`] | one comparison of bytes for each of up to 63 nodes and 64 rows, and leaves from tables in registers: 1.7 at depth 6, 2 at depth 3 |
//! | all nodes, in steps ([`compared::Numbering::Steps`]) | deeper trees with few leaves, as those of 31 leaves | one comparison a node, intermediate results in memory: 1.8 to 2.7 |
//! | first levels compared, then walk ([`compared::Meaning::Nodes`]) | all larger trees | six levels compared as bytes, the rest as a walk over bins: 18 at depth 10 |
//!
//! With AVX-512 the forms that compare bytes take 64 rows in one instruction instead of two, and 0.54 to 0.75 of the time in
//! boosted trees. The walks have no form for vectors: compiled to gathers they took 1.75 times as long.

mod binned;
mod bins;
#[cfg(target_arch = "x86_64")]
mod compared;
mod lines;
mod set;
mod value;
#[cfg(target_arch = "x86_64")]
mod vectors;
mod walk;

use std::{collections::HashMap, ops::Range};

use super::{BLOCK, Path, prefetch::prefetch};
use crate::{
    error::{Error, Kind, Result},
    memory,
};
pub use value::{Sum, Value};

/// Fewer rows than this are compared by their values: computing bins, and filling a vector with rows, would cost more.
const FEW_ROWS: usize = 12;
/// Bytes of the second-level cache that the nodes of the trees, or the bins of the rows, may take.
const CACHED: usize = 1 << 20;
/// The largest number of blocks that are scored together, so that each tree is loaded into the cache once for all of them.
const MOST_BLOCKS: usize = 64;
/// Features with a number below this are their own place in [`Slots`].
const FIRST_FEATURES: u32 = 1 << 12;

/// One tree as a library's model gives it; `S` is what its leaves are summed in.
#[derive(Debug, Clone, Default)]
pub struct Tree<S> {
    /// The nodes; the first is the root.
    pub nodes: Vec<Node>,
    /// The categories of each categorical split, ascending.
    pub sets: Vec<Vec<u32>>,
    /// What the leaves add, by number of the leaf; as many numbers a leaf as the ensemble's width.
    pub values: Vec<S>,
    /// The first output it adds to.
    pub output: u32,
}

/// One node of a [`Tree`].
#[derive(Debug, Clone, Copy)]
pub enum Node {
    /// A leaf, by its number in [`Tree::values`].
    Leaf(u32),
    /// A split.
    Split {
        /// The feature that is compared.
        feature: u32,
        /// Where the row goes.
        test: Test,
        /// What counts as missing; for a test of categories it is always NaN.
        missing: Missing,
        /// Whether a missing value goes left.
        missing_left: bool,
        /// The left child.
        left: u32,
        /// The right child.
        right: u32,
    },
}

/// What decides a split. A threshold that is NaN sends every number right.
///
/// Categories are the whole parts of numbers from zero to 2^32; a number that is none is in no set.
#[derive(Debug, Clone, Copy)]
pub enum Test {
    /// Left when the value is less.
    Less(f64),
    /// Left when the value is not greater.
    AtMost(f64),
    /// Left when the category is in this set of [`Tree::sets`].
    In(u32),
    /// Right when the category is in this set of [`Tree::sets`].
    NotIn(u32),
}

/// Which values a split by a threshold takes as missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Missing {
    /// NaN.
    Nan,
    /// NaN, and what is no further from zero than 1e-35 in single precision: LightGBM's `zero_as_missing`.
    Zero,
    /// None: NaN is compared as zero.
    Never,
}

/// An ensemble ready to score: columns of `T` are compared, leaves of `S` are summed.
pub struct Ensemble<T: Value, S> {
    features: Vec<u32>,
    leaves: Leaves<S>,
    walk: walk::NodeForest<T>,
    form: Kernel<T>,
}

/// Writes the values of some rows of one of [`Ensemble::features`] into a list of as many.
pub type Read<'a, T> = &'a dyn Fn(usize, Range<usize>, &mut [T]);

/// Reads columns that are one run of `stride` values each.
pub fn runs<T: Copy>(columns: &[T], stride: usize) -> impl Fn(usize, Range<usize>, &mut [T]) {
    move |at, rows, to| to.copy_from_slice(&columns[at * stride..][rows])
}

/// What scores batches of at least [`FEW_ROWS`] rows.
enum Kernel<T> {
    /// Nothing else, since the trees need more columns of bins than a node can name: the nodes are walked whatever the batch.
    Walk,
    Portable(bins::Quantiser<T>, binned::BinnedForest),
    /// With vectors; the flag says whether those of AVX-512 are used.
    #[cfg(target_arch = "x86_64")]
    Vectors(bins::Quantiser<T>, compared::ComparedForest, bool),
}

/// The values of the leaves of all trees.
struct Leaves<S> {
    /// By number of the leaf.
    values: Vec<S>,
    width: usize,
    /// The first output of each tree.
    outputs: Vec<u32>,
    /// The number of each tree's first leaf.
    starts: Vec<u32>,
    /// How many outputs the trees add to, at least.
    most: usize,
}

/// Working memory of one stream.
#[derive(Default)]
pub struct Scratch<S> {
    bins: bins::Bins,
    cursors: binned::Cursors,
    #[cfg(target_arch = "x86_64")]
    vectors: vectors::Vectors<S>,
    #[cfg(not(target_arch = "x86_64"))]
    vectors: std::marker::PhantomData<S>,
}

/// Collects the trees of an [`Ensemble`]. A tree may be dropped once it was added.
pub struct Builder<T: Value, S> {
    slots: Slots<T>,
    walk: walk::NodeForest<T>,
    leaves: Leaves<S>,
    /// Working memory: nodes of the tree being added that are still to be placed.
    open: Vec<walk::Pending>,
}

impl<T: Value, S: Sum> Builder<T, S> {
    /// No trees yet, with memory reserved for `trees` trees of `nodes` nodes in all; each of their leaves holds `width` numbers.
    pub fn new(width: usize, trees: usize, nodes: usize) -> Result<Self> {
        if width == 0 {
            return Err(malformed());
        }
        // A binary tree has one more leaf than it has splits.
        let values = memory::room(((nodes + trees) / 2).saturating_mul(width));
        let leaves = Leaves { values, width, outputs: Vec::new(), starts: Vec::new(), most: 0 };
        Ok(Self { slots: Slots::default(), walk: walk::NodeForest::with_capacity(nodes), leaves, open: Vec::new() })
    }

    /// Adds a tree after the others.
    pub fn push(&mut self, tree: &Tree<S>) -> Result<()> {
        self.walk.push(tree, &mut self.leaves, &mut self.slots, &mut self.open)
    }

    /// Prepares the trees for one of the kernel paths.
    pub fn finish(self, path: Path) -> Result<Ensemble<T, S>> {
        let Self { slots, mut walk, leaves, .. } = self;
        let (features, cuts) = slots.sort(&mut walk);
        let mut bins = bins::Builder::new(walk.count(), cuts);
        let form = match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 | Path::Avx512 => {
                let forest = compared::ComparedForest::new(&walk, &mut bins, &leaves)?;
                forest.map(|forest| Kernel::Vectors(bins.finish(), forest, path == Path::Avx512))
            }
            _ => binned::BinnedForest::new(&walk, &mut bins)?.map(|forest| Kernel::Portable(bins.finish(), forest)),
        };
        Ok(Ensemble { leaves, walk, form: form.unwrap_or(Kernel::Walk), features })
    }
}

impl<T: Value, S: Sum> Ensemble<T, S> {
    /// Prepares trees whose leaves hold `width` numbers each, for one of the kernel paths.
    pub fn new(trees: &[Tree<S>], width: usize, path: Path) -> Result<Self> {
        let mut builder = Builder::new(width, trees.len(), trees.iter().map(|tree| tree.nodes.len()).sum())?;
        trees.iter().try_for_each(|tree| builder.push(tree))?;
        builder.finish(path)
    }

    /// The features that any tree compares, ascending. Column `i` of a block is feature `features()[i]`.
    pub fn features(&self) -> &[u32] {
        &self.features
    }

    /// How many trees there are.
    pub fn count(&self) -> usize {
        self.leaves.outputs.len()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        let form = match &self.form {
            Kernel::Walk => 0,
            Kernel::Portable(bins, forest) => bins.memory() + forest.memory(),
            #[cfg(target_arch = "x86_64")]
            Kernel::Vectors(bins, forest, _) => bins.memory() + forest.memory(),
        };
        self.walk.memory() + form + self.features.len() * 4 + self.leaves.memory()
    }

    /// How many rows are best scored in one call, a multiple of [`BLOCK`]: more than one where the trees do not fit into the
    /// cache, so that each is loaded once for many rows.
    pub fn rows(&self) -> usize {
        let walked = match &self.form {
            // One row is taken through all trees before the next.
            Kernel::Walk => 0,
            Kernel::Portable(_, forest) => forest.walked(),
            #[cfg(target_arch = "x86_64")]
            Kernel::Vectors(_, forest, _) => forest.deep.walked(),
        };
        match walked > CACHED {
            true => BLOCK * (CACHED / (self.features.len().max(1) * BLOCK * size_of::<u16>())).clamp(1, MOST_BLOCKS),
            false => BLOCK,
        }
    }

    /// Adds the leaves of a range of the trees, in the order of the trees, for some rows.
    ///
    /// `out` is one run of `stride` sums, a multiple of [`BLOCK`], for each output; of each run the first `rows` count.
    pub fn add(
        &self,
        trees: Range<usize>,
        read: Read<'_, T>,
        rows: usize,
        scratch: &mut Scratch<S>,
        (out, stride): (&mut [S], usize),
    ) {
        assert!(stride > 0 && stride.is_multiple_of(BLOCK) && rows <= stride && u32::try_from(stride).is_ok());
        assert!(out.len() >= self.leaves.most * stride);
        match &self.form {
            Kernel::Portable(bins, forest) if rows >= FEW_ROWS => {
                bins.fill(read, rows, &mut scratch.bins);
                forest.add(trees, (self.walk.roots(), &self.leaves), (&scratch.bins, rows), &mut scratch.cursors, (out, stride));
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Vectors(bins, forest, avx512) if rows >= FEW_ROWS => {
                let block = vectors::Block { avx512: *avx512, bins, forest, leaves: &self.leaves, read, stride, rows };
                vectors::add(&block, trees, scratch, out);
            }
            _ => self.walk.add(trees, &self.leaves, (read, self.features.len()), rows, (out, stride)),
        }
    }
}

impl<S: Sum> Leaves<S> {
    fn memory(&self) -> usize {
        size_of_val(&*self.values) + size_of_val(&*self.outputs) + size_of_val(&*self.starts)
    }

    /// Adds the leaves of a tree; the numbers they get.
    fn push(&mut self, tree: &Tree<S>) -> Result<Range<u32>> {
        let (first, count) = (self.values.len() / self.width, tree.values.len() / self.width);
        let numbers = index(first)?..index(first + count)?;
        self.values.extend_from_slice(&tree.values[..count * self.width]);
        self.outputs.push(tree.output);
        self.starts.push(numbers.start);
        self.most = self.most.max((tree.output as usize).saturating_add(self.width));
        Ok(numbers)
    }

    /// Prefetches the values of a tree's leaves, if there are so many rows that most of them will be read. The rows reach them in
    /// no order that the CPU could foresee.
    fn fetch(&self, tree: usize, rows: usize) {
        if rows <= BLOCK {
            return;
        }
        let end = self.starts.get(tree + 1).map_or(self.values.len(), |&next| next as usize * self.width);
        prefetch(&self.values[self.starts[tree] as usize * self.width..end]);
    }

    /// Prefetches the value of one leaf.
    #[inline(always)]
    fn fetch_leaf(&self, leaf: u32) {
        prefetch(&self.values[leaf as usize * self.width..][..1]);
    }

    /// Adds the values of the leaves that one row reaches in some trees. `sums` begins with the row's sum of the first output;
    /// the sum of each further output lies `stride` after the one before.
    #[inline(always)]
    fn add_row(&self, trees: Range<usize>, found: &[u32], sums: &mut [S], stride: usize) {
        let outputs = &self.outputs[trees];
        match self.width {
            1 => add_run::<1, S>(self.values.as_chunks().0, outputs, found, sums, stride),
            2 => add_run::<2, S>(self.values.as_chunks().0, outputs, found, sums, stride),
            width => outputs.iter().zip(found).for_each(|(&output, &leaf)| {
                let values = &self.values[leaf as usize * width..][..width];
                values.iter().zip(output as usize..).for_each(|(&value, output)| sums[output * stride] += value);
            }),
        }
    }

    /// Adds the values of the leaves that the first rows of a block reach in one tree, to as many outputs as a leaf has numbers.
    /// `sums` begins with the first output's; those of each further output lie `stride` after the ones before. `place` says where
    /// a row's sum is among the [`BLOCK`] sums of an output.
    #[inline(always)]
    fn add<'a>(&self, found: impl IntoIterator<Item = &'a u32>, sums: &mut [S], stride: usize, place: impl Fn(usize) -> usize) {
        let mut runs = sums.chunks_mut(stride).filter_map(|run| run.first_chunk_mut::<BLOCK>());
        let rows = found.into_iter().enumerate().map(|(row, &leaf)| (place(row) % BLOCK, leaf as usize));
        match self.width {
            1 => {
                let Some(sums) = runs.next() else { return };
                rows.for_each(|(at, leaf)| sums[at] += self.values[leaf]);
            }
            2 => {
                let (Some(first), Some(second)) = (runs.next(), runs.next()) else { return };
                rows.for_each(|(at, leaf)| {
                    let values = &self.values[leaf * 2..][..2];
                    first[at] += values[0];
                    second[at] += values[1];
                });
            }
            width => rows.for_each(|(at, leaf)| {
                let values = &self.values[leaf * width..][..width];
                sums.chunks_mut(stride).zip(values).for_each(|(sums, &value)| sums[at] += value);
            }),
        }
    }
}

/// [`Leaves::add_row`] for leaves of `WIDTH` numbers: the sums stay in registers while consecutive trees add to the same outputs.
#[inline(always)]
fn add_run<const WIDTH: usize, S: Sum>(values: &[[S; WIDTH]], outputs: &[u32], found: &[u32], sums: &mut [S], stride: usize) {
    let mut found = found.iter();
    for run in outputs.chunk_by(|a, b| a == b) {
        let place = |at: usize| (run[0] as usize + at) * stride;
        let mut sum: [S; WIDTH] = std::array::from_fn(|at| sums[place(at)]);
        for (_, &leaf) in run.iter().zip(&mut found) {
            sum.iter_mut().zip(values[leaf as usize]).for_each(|(sum, value)| *sum += value);
        }
        sum.iter().enumerate().for_each(|(at, &sum)| sums[place(at)] = sum);
    }
}

/// The features that splits compare, while trees are collected.
///
/// Each feature has a slot. The number of a feature below [`FIRST_FEATURES`] is the number of its slot, which serves most models
/// without a search; the slots of the others follow.
#[derive(Default)]
struct Slots<T: Value> {
    slots: Vec<Slot<T>>,
    others: HashMap<u32, u32>,
}

/// What is known of a feature.
#[derive(Default)]
struct Slot<T: Value> {
    /// Whether any split compares it.
    used: bool,
    /// The cuts of its splits, with their nodes.
    cuts: Vec<T::Ranked>,
}

impl<T: Value> Slots<T> {
    /// The slot of a feature that a node's split compares with this cut, which is NaN where the split has none. Remembers the cut.
    #[inline(always)]
    fn look(&mut self, feature: u32, cut: T, node: u32) -> u32 {
        let number = if feature < FIRST_FEATURES { feature } else { self.other(feature) };
        if self.slots.len() <= number as usize {
            self.slots.resize_with(number as usize + 1, Slot::default);
        }
        let slot = &mut self.slots[number as usize];
        slot.used = true;
        if !cut.is_nan() {
            slot.cuts.push(cut.ranked(node));
        }
        number
    }

    #[inline(never)]
    fn other(&mut self, feature: u32) -> u32 {
        let next = FIRST_FEATURES + self.others.len() as u32;
        *self.others.entry(feature).or_insert(next)
    }

    /// The features that splits compare, ascending, with their cuts. Afterwards the number of a slot is the place of its feature
    /// among these.
    fn sort(mut self, walk: &mut walk::NodeForest<T>) -> (Vec<u32>, Vec<Vec<T::Ranked>>) {
        let first = (0..FIRST_FEATURES).zip(0..).take(self.slots.len());
        let mut features: Vec<(u32, u32)> =
            first.chain(self.others).filter(|&(_, slot)| self.slots[slot as usize].used).collect();
        features.sort_unstable();
        let mut places = vec![0; self.slots.len()];
        features.iter().zip(0..).for_each(|(&(_, slot), place)| places[slot as usize] = place);
        walk.rename(&places, features.len());
        features.into_iter().map(|(feature, slot)| (feature, std::mem::take(&mut self.slots[slot as usize].cuts))).unzip()
    }
}

/// The error for nodes that do not form a tree, or that are too many for numbers of 32 bits.
fn malformed() -> Error {
    Error::new(Kind::InvalidModel, "TREE_MALFORMED", "a tree's nodes do not form a tree")
}

fn index(at: usize) -> Result<u32> {
    u32::try_from(at).map_err(|_| malformed())
}

#[cfg(test)]
mod tests;
