//! Sums of decision trees over blocks of columns, whatever library grew them.
//!
//! Libraries differ in what a split compares, in what counts as missing and in the precision of values and sums; a tree only ever
//! asks on which side of a threshold a value lies. So the values of a block become bins (`bins`): how many of a feature's thresholds
//! lie below. Bins answer every split exactly, and one node form and one set of vector kernels serve all. Leaves are added in the
//! order of the trees, in the library's precision, so that the sums are the library's to the last bit.

mod bins;
mod deep;
mod lanes;
mod lines;
#[cfg(target_arch = "x86_64")]
mod masks;
mod set;
mod shape;
mod value;
#[cfg(target_arch = "x86_64")]
mod vectors;
mod walk;

use std::ops::Range;

use super::{BLOCK, Path};
use crate::error::{Error, Kind, Result};
use shape::Shape;
pub use value::{Sum, Value};

/// Fewer rows than this walk the nodes as they are: bins and a vector's worth of rows would cost more.
const FEW: usize = 12;
/// Bytes of the second cache that trees, or the bins of rows, may take.
const CACHED: usize = 1 << 20;
/// Most blocks that are best given at once.
const MOST_BLOCKS: usize = 16;
/// Features whose columns are looked up.
const FIRST_FEATURES: usize = 1 << 12;

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
    /// Whether 512 bits wide.
    #[cfg(target_arch = "x86_64")]
    Vectors(bins::Quantiser<T>, masks::Forest, bool),
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

/// A tree among all trees.
struct Placed<'a, S> {
    tree: &'a Tree<S>,
    /// The numbers of its first node and its first leaf among those of all trees.
    first_node: u32,
    first_leaf: u32,
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

impl<T: Value, S: Sum> Ensemble<T, S> {
    /// Prepares trees whose leaves hold `width` numbers each for a path.
    pub fn new(trees: &[Tree<S>], width: usize, path: Path) -> Result<Self> {
        if width == 0 {
            return Err(malformed());
        }
        let slots = Slots::new(trees);
        let shapes = trees.iter().map(|tree| Shape::new(tree, width)).collect::<Result<Vec<_>>>()?;
        let (leaves, trees) = Leaves::new(trees, width)?;
        let walk = walk::Forest::new(&trees, &slots)?;
        let mut builder = bins::Builder::new(&trees, &slots);
        let form = match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 | Path::Avx512 => {
                let forest = masks::Forest::new(&trees, &shapes, &mut builder, &leaves)?;
                forest.map(|forest| Form::Vectors(builder.finish(), forest, path == Path::Avx512))
            }
            _ => deep::Forest::new(&trees, &mut builder)?.map(|forest| Form::Portable(builder.finish(), forest)),
        };
        Ok(Self { leaves, walk, form: form.unwrap_or(Form::Walk), features: slots.features })
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
        self.walk.memory() + form + self.features.len() * 4 + size_of_val(&*self.leaves.values) + self.leaves.outputs.len() * 4
    }

    /// How many rows are best given at once: more than a [`BLOCK`], of which this is a multiple, where each tree has to be brought
    /// into the cache anew.
    pub fn rows(&self) -> usize {
        let walked = match &self.form {
            // Each row walks all trees.
            Form::Walk => 0,
            Form::Portable(_, forest) => forest.memory(),
            #[cfg(target_arch = "x86_64")]
            Form::Vectors(_, forest, _) => forest.deep.memory(),
        };
        match walked > CACHED {
            true => BLOCK * (CACHED / (self.features.len().max(1) * BLOCK * size_of::<u16>())).clamp(1, MOST_BLOCKS),
            false => BLOCK,
        }
    }

    /// Adds the leaves of a range of the trees, in the order of the trees.
    ///
    /// `columns` is one run of `stride` values for each of [`Ensemble::features`], `out` one run of `stride` sums for each output;
    /// `stride` is a multiple of [`BLOCK`], and of each run the first `rows` count.
    pub fn add(
        &self,
        trees: Range<usize>,
        (columns, stride): (&[T], usize),
        rows: usize,
        scratch: &mut Scratch<S>,
        out: &mut [S],
    ) {
        assert!(stride > 0 && stride.is_multiple_of(BLOCK) && rows <= stride && u32::try_from(stride).is_ok());
        assert!(columns.len() >= self.features.len() * stride && out.len() >= self.leaves.most * stride);
        match &self.form {
            Form::Portable(bins, forest) if rows >= FEW => {
                bins.fill(columns, stride, rows, &mut scratch.bins);
                forest.add(trees, &self.leaves, (&scratch.bins, rows), &mut scratch.ways, (out, stride));
            }
            #[cfg(target_arch = "x86_64")]
            Form::Vectors(bins, forest, wide) if rows >= FEW => {
                let block = vectors::Block { wide: *wide, bins, forest, leaves: &self.leaves, columns, stride, rows };
                vectors::add(&block, trees, scratch, out);
            }
            _ => self.walk.add(trees, &self.leaves, (columns, stride), rows, out),
        }
    }
}

impl<S: Sum> Leaves<S> {
    /// The values, and where each tree is.
    fn new(trees: &[Tree<S>], width: usize) -> Result<(Self, Vec<Placed<'_, S>>)> {
        let mut leaves = Self { values: Vec::new(), width, outputs: Vec::with_capacity(trees.len()), most: 0 };
        let mut placed = Vec::with_capacity(trees.len());
        let mut nodes = 0;
        for tree in trees {
            placed.push(Placed { tree, first_node: index(nodes)?, first_leaf: index(leaves.values.len() / width)? });
            nodes += tree.nodes.len();
            leaves.values.extend_from_slice(&tree.values[..tree.values.len() / width * width]);
            leaves.outputs.push(tree.output);
            leaves.most = leaves.most.max((tree.output as usize).saturating_add(width));
        }
        index(leaves.values.len() / width)?;
        index(nodes)?;
        Ok((leaves, placed))
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

/// Which column of a block a feature is.
struct Slots {
    /// Ascending.
    features: Vec<u32>,
    /// The columns of the first features, which most models have no more than: a search for every split takes longer.
    first: Vec<u32>,
}

impl Slots {
    fn new<S>(trees: &[Tree<S>]) -> Self {
        let mut seen = vec![false; FIRST_FEATURES];
        let mut others = Vec::new();
        for node in trees.iter().flat_map(|tree| &tree.nodes) {
            let Node::Split { feature, .. } = *node else { continue };
            match seen.get_mut(feature as usize) {
                Some(seen) => *seen = true,
                None => others.push(feature),
            }
        }
        others.sort_unstable();
        others.dedup();
        let mut features = Vec::with_capacity(others.len());
        let mut first = vec![0; FIRST_FEATURES];
        for (feature, slot) in (0u32..).zip(&mut first).filter(|(feature, _)| seen[*feature as usize]) {
            *slot = features.len() as u32;
            features.push(feature);
        }
        features.extend(others);
        Self { features, first }
    }

    fn of(&self, feature: u32) -> u32 {
        match self.first.get(feature as usize) {
            Some(&slot) => slot,
            None => self.features.partition_point(|&known| known < feature) as u32,
        }
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
