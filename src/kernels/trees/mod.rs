//! Sums of decision trees over blocks of columns, whatever library grew them.
//!
//! Libraries differ in what a split compares, in what counts as missing and in the precision of values and sums; a tree only ever
//! asks on which side of a threshold a value lies. So the values of a block become bins (`bins`): how many of a feature's thresholds
//! lie below. Bins answer every split exactly, and one node form and one set of vector kernels serve all. Leaves are added in the
//! order of the trees, in the library's precision, so that the sums are the library's to the last bit.

mod bins;
mod deep;
mod lines;
#[cfg(target_arch = "x86_64")]
mod masks;
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

/// Fewer rows than this walk the nodes as they are: bins and a vector's worth of rows would cost more.
const FEW: usize = 12;
/// Bytes of the second cache that trees, or the bins of rows, may take.
const CACHED: usize = 1 << 20;
/// Most blocks that are best given at once: each tree is brought into the cache anew for all of them together.
const MOST_BLOCKS: usize = 64;
/// Features that are [`Slots`] themselves.
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
        /// The feature looked at.
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

/// Which values a split by order takes as missing.
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
    walk: walk::Forest<T>,
    form: Form<T>,
}

/// Writes the values of some rows of one of [`Ensemble::features`] into a list of as many.
pub type Read<'a, T> = &'a dyn Fn(usize, Range<usize>, &mut [T]);

/// Reads columns that are one run of `stride` values each.
pub fn runs<T: Copy>(columns: &[T], stride: usize) -> impl Fn(usize, Range<usize>, &mut [T]) {
    move |at, rows, to| to.copy_from_slice(&columns[at * stride..][rows])
}

/// What scores more than a few rows.
enum Form<T> {
    /// More bin columns than nodes can name: all rows walk.
    Walk,
    Portable(bins::Quantiser<T>, deep::Forest),
    /// Whether 512 bits wide.
    #[cfg(target_arch = "x86_64")]
    Vectors(bins::Quantiser<T>, masks::Forest, bool),
}

/// What the leaves of all trees add.
struct Leaves<S> {
    /// By number of the leaf.
    values: Vec<S>,
    width: usize,
    /// The first output of each tree.
    outputs: Vec<u32>,
    /// The number of each tree's first leaf.
    starts: Vec<u32>,
    /// How many outputs there must be.
    most: usize,
}

/// Working memory of one stream.
#[derive(Default)]
pub struct Scratch<S> {
    bins: bins::Bins,
    ways: deep::Ways,
    #[cfg(target_arch = "x86_64")]
    vectors: vectors::Vectors<S>,
    #[cfg(not(target_arch = "x86_64"))]
    vectors: std::marker::PhantomData<S>,
}

/// Collects the trees of an [`Ensemble`], each of which is no longer needed afterwards.
pub struct Builder<T: Value, S> {
    slots: Slots<T>,
    walk: walk::Forest<T>,
    leaves: Leaves<S>,
    /// Working memory: nodes of the tree that is added.
    open: Vec<walk::Open>,
}

impl<T: Value, S: Sum> Builder<T, S> {
    /// No trees yet, with room for so many of so many nodes; their leaves will hold `width` numbers each.
    pub fn new(width: usize, trees: usize, nodes: usize) -> Result<Self> {
        if width == 0 {
            return Err(malformed());
        }
        // In each tree one node more is a leaf than is a split.
        let values = memory::room(((nodes + trees) / 2).saturating_mul(width));
        let leaves = Leaves { values, width, outputs: Vec::new(), starts: Vec::new(), most: 0 };
        Ok(Self { slots: Slots::default(), walk: walk::Forest::with_capacity(nodes), leaves, open: Vec::new() })
    }

    /// Adds a tree after the others.
    pub fn push(&mut self, tree: &Tree<S>) -> Result<()> {
        self.walk.push(tree, &mut self.leaves, &mut self.slots, &mut self.open)
    }

    /// Prepares the trees for a path.
    pub fn finish(self, path: Path) -> Result<Ensemble<T, S>> {
        let Self { slots, mut walk, leaves, .. } = self;
        let (features, cuts) = slots.sort(&mut walk);
        let mut bins = bins::Builder::new(walk.count(), cuts);
        let form = match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 | Path::Avx512 => {
                let forest = masks::Forest::new(&walk, &mut bins, &leaves)?;
                forest.map(|forest| Form::Vectors(bins.finish(), forest, path == Path::Avx512))
            }
            _ => deep::Forest::new(&walk, &mut bins)?.map(|forest| Form::Portable(bins.finish(), forest)),
        };
        Ok(Ensemble { leaves, walk, form: form.unwrap_or(Form::Walk), features })
    }
}

impl<T: Value, S: Sum> Ensemble<T, S> {
    /// Prepares trees whose leaves hold `width` numbers each for a path.
    pub fn new(trees: &[Tree<S>], width: usize, path: Path) -> Result<Self> {
        let mut builder = Builder::new(width, trees.len(), trees.iter().map(|tree| tree.nodes.len()).sum())?;
        trees.iter().try_for_each(|tree| builder.push(tree))?;
        builder.finish(path)
    }

    /// The features any tree looks at, ascending. Column `i` of a block is feature `features()[i]`.
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
            Form::Walk => 0,
            Form::Portable(bins, forest) => bins.memory() + forest.memory(),
            #[cfg(target_arch = "x86_64")]
            Form::Vectors(bins, forest, _) => bins.memory() + forest.memory(),
        };
        self.walk.memory() + form + self.features.len() * 4 + self.leaves.memory()
    }

    /// How many rows are best given at once: more than a [`BLOCK`], of which this is a multiple, where each tree has to be brought
    /// into the cache anew.
    pub fn rows(&self) -> usize {
        let walked = match &self.form {
            // Each row walks all trees.
            Form::Walk => 0,
            Form::Portable(_, forest) => forest.walked(),
            #[cfg(target_arch = "x86_64")]
            Form::Vectors(_, forest, _) => forest.deep.walked(),
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
            Form::Portable(bins, forest) if rows >= FEW => {
                bins.fill(read, rows, &mut scratch.bins);
                forest.add(trees, (self.walk.roots(), &self.leaves), (&scratch.bins, rows), &mut scratch.ways, (out, stride));
            }
            #[cfg(target_arch = "x86_64")]
            Form::Vectors(bins, forest, wide) if rows >= FEW => {
                let block = vectors::Block { wide: *wide, bins, forest, leaves: &self.leaves, read, stride, rows };
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

    /// Adds those of a tree; their numbers.
    fn push(&mut self, tree: &Tree<S>) -> Result<Range<u32>> {
        let (first, count) = (self.values.len() / self.width, tree.values.len() / self.width);
        let numbers = index(first)?..index(first + count)?;
        self.values.extend_from_slice(&tree.values[..count * self.width]);
        self.outputs.push(tree.output);
        self.starts.push(numbers.start);
        self.most = self.most.max((tree.output as usize).saturating_add(self.width));
        Ok(numbers)
    }

    /// Begins to bring a tree's leaves from memory, to which rows will come in no order, where these are enough to want most of them.
    fn fetch(&self, tree: usize, rows: usize) {
        if rows <= BLOCK {
            return;
        }
        let end = self.starts.get(tree + 1).map_or(self.values.len(), |&next| next as usize * self.width);
        prefetch(&self.values[self.starts[tree] as usize * self.width..end]);
    }

    /// Begins to bring one leaf from memory.
    #[inline(always)]
    fn fetch_leaf(&self, leaf: u32) {
        prefetch(&self.values[leaf as usize * self.width..][..1]);
    }

    /// Adds the leaves that one row comes to in some trees. `sums` begins with the row's first, and each output's comes `stride` further
    /// on.
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

    /// Adds the leaves of a block's first rows to the sums of as many outputs as leaves have numbers. `sums` begins with the first
    /// output's, and the next one's come `stride` further on; `place` is where a row's sum is among the [`BLOCK`] of an output.
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

/// [`Leaves::add_row`] of leaves that hold so many numbers: sums stay at hand while trees add to the same outputs.
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

/// What splits look at, while trees are collected.
///
/// Each feature has a slot. The first features, which most models have no more than, are slots themselves; the others follow.
#[derive(Default)]
struct Slots<T: Value> {
    slots: Vec<Slot<T>>,
    others: HashMap<u32, u32>,
}

/// A feature, perhaps.
#[derive(Default)]
struct Slot<T: Value> {
    /// Whether any split looks at it.
    used: bool,
    /// The cuts of its splits, with their nodes.
    cuts: Vec<T::Ranked>,
}

impl<T: Value> Slots<T> {
    /// The slot of a feature, at which a node's split has looked by this cut; NaN where it has none.
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

    /// The features that splits look at, ascending, and their cuts. From here on a slot is a place among them.
    fn sort(mut self, walk: &mut walk::Forest<T>) -> (Vec<u32>, Vec<Vec<T::Ranked>>) {
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

/// Trees that are none, or larger than numbers of 32 bits.
fn malformed() -> Error {
    Error::new(Kind::InvalidModel, "TREE_MALFORMED", "a tree's nodes do not form a tree")
}

fn index(at: usize) -> Result<u32> {
    u32::try_from(at).map_err(|_| malformed())
}

#[cfg(test)]
mod tests;
