//! Sums of decision trees over blocks of columns, whatever library grew them.
//!
//! Libraries differ in what a split compares, in what counts as missing and in the precision of values and sums; a tree only ever
//! asks on which side of a threshold a value lies. So the values of a block become bins (`bins`): how many of a feature's thresholds
//! lie below. Bins answer every split exactly, and one node form and one set of vector kernels serve all. Leaves are added in the
//! order of the trees, in the library's precision, so that the sums are the library's to the last bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod bins;
mod deep;
mod lanes;
mod lines;
#[cfg(target_arch = "x86_64")]
mod masks;
mod set;
mod shape;
mod value;
mod walk;

use std::ops::Range;

use super::{BLOCK, Path};
use crate::error::{Error, Kind, Result};
use shape::Shape;
pub use value::{Sum, Value};

/// Fewer rows than this walk the nodes as they are: bins and a vector's worth of rows would cost more.
const FEW: usize = 12;

/// One tree as a library's model gives it; `S` is what its leaves are summed in.
#[derive(Debug, Clone)]
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
pub struct Ensemble<T, S> {
    features: Vec<u32>,
    leaves: Leaves<S>,
    walk: walk::Forest<T>,
    form: Form<T>,
}

/// What scores more than a few rows.
enum Form<T> {
    /// More bin columns than nodes can name: all rows walk.
    Walk,
    Portable(bins::Quantiser<T>, deep::Forest),
    #[cfg(target_arch = "x86_64")]
    Avx2(bins::Quantiser<T>, masks::Forest),
}

/// What the leaves of all trees add.
struct Leaves<S> {
    values: Vec<S>,
    width: usize,
    /// The first output of each tree.
    outputs: Vec<u32>,
    /// How many outputs there must be.
    most: usize,
}

/// Working memory of one stream.
#[derive(Default)]
pub struct Scratch<S> {
    bins: bins::Bins,
    #[cfg(target_arch = "x86_64")]
    vectors: avx2::Vectors<S>,
    #[cfg(not(target_arch = "x86_64"))]
    vectors: std::marker::PhantomData<S>,
}

impl<T: Value, S: Sum> Ensemble<T, S> {
    /// Prepares trees whose leaves hold `width` numbers each for a path.
    pub fn new(trees: &[Tree<S>], width: usize, path: Path) -> Result<Self> {
        if width == 0 {
            return Err(malformed());
        }
        let mut features: Vec<u32> = trees.iter().flat_map(|tree| &tree.nodes).filter_map(feature).collect();
        features.sort_unstable();
        features.dedup();
        let shapes = trees.iter().map(|tree| Shape::new(tree, width)).collect::<Result<Vec<_>>>()?;
        let slots = Slots { features: &features };
        let (leaves, first) = Leaves::new(trees, width)?;
        let walk = walk::Forest::new(trees, &first, &slots)?;
        let mut builder = bins::Builder::new(trees, &slots);
        let form = match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => masks::Forest::new(trees, &shapes, &first, &mut builder, &leaves)?
                .map(|forest| Form::Avx2(builder.finish(), forest)),
            _ => deep::Forest::new(trees, &first, &mut builder)?.map(|forest| Form::Portable(builder.finish(), forest)),
        };
        Ok(Self { leaves, walk, form: form.unwrap_or(Form::Walk), features })
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
            Form::Avx2(bins, forest) => bins.memory() + forest.memory(),
        };
        self.walk.memory() + form + self.features.len() * 4 + size_of_val(&*self.leaves.values) + self.leaves.outputs.len() * 4
    }

    /// Adds the leaves of a range of the trees for up to [`BLOCK`] rows, in the order of the trees.
    ///
    /// `columns` is one run of `BLOCK` values for each of [`Ensemble::features`], `out` one run of `BLOCK` sums for each output.
    pub fn add(&self, trees: Range<usize>, columns: &[T], rows: usize, scratch: &mut Scratch<S>, out: &mut [S]) {
        assert!(columns.len() >= self.features.len() * BLOCK && out.len() >= self.leaves.most * BLOCK && rows <= BLOCK);
        match &self.form {
            Form::Portable(bins, forest) if rows >= FEW => {
                bins.fill(columns, rows, &mut scratch.bins);
                forest.add(trees, &self.leaves, &scratch.bins, rows, out);
            }
            #[cfg(target_arch = "x86_64")]
            Form::Avx2(bins, forest) if rows >= FEW => {
                let block = avx2::Block { bins, forest, leaves: &self.leaves, columns, rows };
                avx2::add(&block, trees, scratch, out);
            }
            _ => self.walk.add(trees, &self.leaves, columns, rows, out),
        }
    }
}

impl<S: Sum> Leaves<S> {
    /// The values, and each tree's first leaf among those of all trees.
    fn new(trees: &[Tree<S>], width: usize) -> Result<(Self, Vec<u32>)> {
        let mut leaves = Self { values: Vec::new(), width, outputs: Vec::with_capacity(trees.len()), most: 0 };
        let mut first = Vec::with_capacity(trees.len());
        for tree in trees {
            first.push(index(leaves.values.len() / width)?);
            leaves.values.extend_from_slice(&tree.values[..tree.values.len() / width * width]);
            leaves.outputs.push(tree.output);
            leaves.most = leaves.most.max((tree.output as usize).saturating_add(width));
        }
        index(leaves.values.len() / width)?;
        Ok((leaves, first))
    }

    /// Adds leaves of rows that follow one another to runs of sums that begin with the tree's first output; `place` is where a row's sum is.
    #[inline(always)]
    fn add(&self, found: impl IntoIterator<Item = u32>, row: usize, sums: &mut [S], place: impl Fn(usize) -> usize) {
        let sums = sums.as_chunks_mut::<BLOCK>().0;
        let rows = (row..).zip(found);
        match (self.width, sums) {
            (1, [sums, ..]) => {
                rows.for_each(|(row, leaf)| sums[place(row) % BLOCK] += self.values[leaf as usize]);
            }
            (2, [first, second, ..]) => rows.for_each(|(row, leaf)| {
                let (at, values) = (place(row) % BLOCK, &self.values[leaf as usize * 2..][..2]);
                first[at] += values[0];
                second[at] += values[1];
            }),
            (width, sums) => rows.for_each(|(row, leaf)| {
                let (at, values) = (place(row) % BLOCK, &self.values[leaf as usize * width..][..width]);
                sums.iter_mut().zip(values).for_each(|(sums, &value)| sums[at] += value);
            }),
        }
    }
}

fn feature(node: &Node) -> Option<u32> {
    match node {
        Node::Leaf(_) => None,
        Node::Split { feature, .. } => Some(*feature),
    }
}

/// Which column of a block a feature is.
struct Slots<'a> {
    features: &'a [u32],
}

impl Slots<'_> {
    fn of(&self, feature: u32) -> u32 {
        self.features.partition_point(|&known| known < feature) as u32
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
