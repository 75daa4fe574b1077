//! Sums of decision trees over blocks of single-precision columns.
//!
//! A tree sends a row left where `value < threshold`, right otherwise, missing values where the node says; leaves are added to the
//! outputs in the order of the trees, so that the sums are the library's to the last bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod bytes;
mod full;
mod walk;

use std::ops::Range;

use super::{BLOCK, Path};
use crate::error::{Error, Kind, Result};

/// Fewer rows than this walk the nodes: a vector's worth of them would be mostly empty.
const FEW: usize = 12;

/// One tree as a library's model gives it.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The nodes; the first is the root.
    pub nodes: Vec<Node>,
    /// The categories of each categorical split, sorted.
    pub sets: Vec<Vec<u32>>,
    /// The output it adds to.
    pub output: u32,
}

/// One node of a [`Tree`].
#[derive(Debug, Clone, Copy)]
pub enum Node {
    /// The value added.
    Leaf(f32),
    /// A split.
    Split {
        /// The feature looked at.
        feature: u32,
        /// Where the row goes.
        test: Test,
        /// Whether a missing value goes left.
        missing_left: bool,
        /// The left child.
        left: u32,
        /// The right child.
        right: u32,
    },
}

/// What decides a split.
#[derive(Debug, Clone, Copy)]
pub enum Test {
    /// Left when the value is less.
    Less(f32),
    /// Right when the category is in this set of [`Tree::sets`].
    NotIn(u32),
}

/// An ensemble ready to score.
pub struct Ensemble {
    base: Vec<f32>,
    features: Vec<u32>,
    walk: walk::Forest,
    form: Form,
}

/// What scores more than a few rows.
enum Form {
    Portable(full::Forest),
    #[cfg(target_arch = "x86_64")]
    Avx2(bytes::Forest),
}

/// Working memory of one stream.
#[derive(Default)]
pub struct Scratch {
    twice: Vec<f32>,
    #[cfg(target_arch = "x86_64")]
    bytes: Vec<i8>,
    #[cfg(target_arch = "x86_64")]
    sums: Vec<f32>,
}

impl Ensemble {
    /// Prepares the trees for a path. `base` is what each output begins with.
    pub fn new(trees: &[Tree], base: Vec<f32>, path: Path) -> Result<Self> {
        let mut features: Vec<u32> = trees.iter().flat_map(|tree| &tree.nodes).filter_map(feature).collect();
        features.sort_unstable();
        features.dedup();
        let slots = Slots { features: &features };
        let walk = walk::Forest::new(trees, &slots)?;
        let form = match path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => Form::Avx2(bytes::Forest::new(trees, &slots)?),
            _ => Form::Portable(full::Forest::new(trees, &slots)?),
        };
        Ok(Self { base, walk, form, features })
    }

    /// The features any tree looks at, ascending. Column `i` of a block is feature `features()[i]`.
    pub fn features(&self) -> &[u32] {
        &self.features
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        let form = match &self.form {
            Form::Portable(full) => full.memory(),
            #[cfg(target_arch = "x86_64")]
            Form::Avx2(bytes) => bytes.memory(),
        };
        self.walk.memory() + form + self.features.len() * 4
    }

    /// Margins of up to [`BLOCK`] rows by a range of the trees. `columns` is one run of `BLOCK` values for each of [`Ensemble::features`] (NaN = missing),
    /// `out` one run of `BLOCK` for each output.
    pub fn score(&self, trees: Range<usize>, columns: &[f32], rows: usize, scratch: &mut Scratch, out: &mut [f32]) {
        for (run, base) in out.chunks_exact_mut(BLOCK).zip(&self.base) {
            run[..rows].fill(*base);
        }
        match &self.form {
            _ if rows < FEW => self.walk.add_all(trees, columns, 0..rows, out),
            Form::Portable(full) => full.add(&self.walk, trees, columns, rows, &mut scratch.twice, out),
            #[cfg(target_arch = "x86_64")]
            Form::Avx2(bytes) => bytes.add(&self.walk, trees, columns, rows, scratch, out),
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

/// A tree that is none: children outside, or reached twice.
fn malformed() -> Error {
    Error::new(Kind::Internal, "TREE_MALFORMED", "a tree's nodes do not form a tree")
}

/// A set of categories, as a bit a category while that is no larger than a small multiple of the list.
#[derive(Debug)]
enum Set {
    Bits(Vec<u64>),
    Sorted(Vec<u32>),
}

impl Set {
    fn new(members: &[u32]) -> Self {
        let words = members.last().map_or(0, |&last| last as usize / 64 + 1);
        if words > 16 + 4 * members.len() {
            return Self::Sorted(members.to_vec());
        }
        let mut bits = vec![0u64; words];
        members.iter().for_each(|&member| bits[member as usize / 64] |= 1 << (member % 64));
        Self::Bits(bits)
    }

    /// Whether a value that is not missing is a category of this set. Values no category can have are in none.
    fn contains(&self, value: f32) -> bool {
        if !(0.0..16_777_216.0).contains(&value) {
            return false;
        }
        let category = value as u32;
        match self {
            Self::Bits(bits) => bits.get(category as usize / 64).is_some_and(|word| word >> (category % 64) & 1 == 1),
            Self::Sorted(members) => members.binary_search(&category).is_ok(),
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::Bits(bits) => bits.len() * 8,
            Self::Sorted(members) => members.len() * 4,
        }
    }
}

#[cfg(test)]
mod tests;
