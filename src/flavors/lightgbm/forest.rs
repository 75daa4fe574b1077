//! The trees of a model in the form of the kernels, and the linear models of their leaves.

use std::ops::Range;

use crate::{
    flavors::common::obstacle::Obstacle,
    formats::lightgbm::{self as format, Child, Linear, Split},
    kernels::{
        BLOCK, Path,
        trees::{Ensemble, Missing, Node, Scratch, Test, Tree, runs},
    },
};

/// How many words of a set are used: a category is a C `int`, so later words have no members.
const MAX_WORDS: usize = 1 << 26;

/// Trees ready to score.
pub(super) struct LgbForest {
    ensemble: Ensemble<f64, f64>,
    outputs: usize,
    /// The features that are read: first those of the ensemble, then those that only linear models read.
    features: Vec<u32>,
    /// Which of them hold categories.
    categorical: Vec<bool>,
    /// For trees with linear models, the model and the value of each leaf. The features of a model are places in `features`.
    linear: Vec<Vec<(Linear, f64)>>,
}

/// Working memory of one stream.
#[derive(Default)]
pub(super) struct Work {
    scratch: Scratch<f64>,
    leaves: Vec<f64>,
}

impl LgbForest {
    /// Prepares trees, or says why they have no kernel.
    pub(super) fn new(trees: Vec<format::Tree>, outputs: usize, path: Path) -> Result<Self, Obstacle> {
        let splits = || trees.iter().flat_map(|tree| &tree.splits);
        let of = |categorical: bool| {
            let same = move |split: &&Split| matches!(split.test, format::Test::In(_)) == categorical;
            let mut features: Vec<u32> = splits().filter(same).map(|split| split.feature).collect();
            features.sort_unstable();
            features.dedup();
            features
        };
        let (categories, mut numbers) = (of(true), of(false));
        let linear = trees.iter().any(|tree| !tree.linear.is_empty());
        numbers
            .extend(trees.iter().flat_map(|tree| &tree.linear).flat_map(|leaf| leaf.terms.iter().map(|(feature, _)| *feature)));
        if let Some(both) = numbers.iter().find(|feature| categories.binary_search(feature).is_ok()) {
            return Err(format!("its feature {both} is categories in some trees and numbers in others").into());
        }
        let kernel: Vec<Tree<f64>> = trees
            .iter()
            .enumerate()
            .map(|(at, tree)| kernel_tree(tree, linear, if linear { at } else { at % outputs }))
            .collect();
        let ensemble = Ensemble::new(&kernel, 1, path)?;
        let mut features = ensemble.features().to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        features.extend(numbers.into_iter().filter(|feature| ensemble.features().binary_search(feature).is_err()));
        let categorical = features.iter().map(|feature| categories.binary_search(feature).is_ok()).collect();
        let leaves = |tree: format::Tree| {
            let plain = |value: &f64| Linear { constant: *value, terms: Vec::new() };
            let models = if tree.linear.is_empty() { tree.leaves.iter().map(plain).collect() } else { tree.linear };
            models.into_iter().zip(tree.leaves).collect()
        };
        let mut linear: Vec<Vec<(Linear, f64)>> = if linear { trees.into_iter().map(leaves).collect() } else { Vec::new() };
        let (read, more) = features.split_at(ensemble.features().len());
        let place = |feature: u32| match read.binary_search(&feature) {
            Ok(at) => at as u32,
            Err(_) => (read.len() + more.partition_point(|known| *known < feature)) as u32,
        };
        linear.iter_mut().flatten().flat_map(|(leaf, _)| &mut leaf.terms).for_each(|(feature, _)| *feature = place(*feature));
        Ok(Self { ensemble, outputs, features, categorical, linear })
    }

    /// The features that are read, which are the columns of a block, and whether each has categories.
    pub(super) fn features(&self) -> impl ExactSizeIterator<Item = (usize, bool)> {
        self.features.iter().map(|feature| *feature as usize).zip(self.categorical.iter().copied())
    }

    /// How many trees there are.
    pub(super) fn len(&self) -> usize {
        self.ensemble.count()
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        let leaf = |(leaf, _): &(Linear, f64)| size_of::<(Linear, f64)>() + leaf.terms.len() * 16;
        self.ensemble.memory() + self.features.len() * 5 + self.linear.iter().flatten().map(leaf).sum::<usize>()
    }

    /// How many rows are best scored at once, a multiple of [`BLOCK`].
    pub(super) fn rows(&self) -> usize {
        // With linear models the number of a leaf is kept for every tree and row.
        if self.linear.is_empty() { self.ensemble.rows() } else { BLOCK }
    }

    /// Sums of some rows by a range of the trees. `columns` is one run of `stride` values for each of [`LgbForest::features`],
    /// `out` one for each output.
    pub(super) fn score(
        &self,
        trees: Range<usize>,
        (columns, stride): (&[f64], usize),
        rows: usize,
        work: &mut Work,
        out: &mut [f64],
    ) {
        out.fill(0.0);
        let read = runs(columns, stride);
        if self.linear.is_empty() {
            return self.ensemble.add(trees, &read, rows, &mut work.scratch, (out, stride));
        }
        // For the kernel, each tree has an output of its own, and the value of a leaf is the number of the leaf.
        work.leaves.resize(self.len() * stride, 0.0);
        work.leaves[trees.start * stride..trees.end * stride].fill(0.0);
        self.ensemble.add(trees.clone(), &read, rows, &mut work.scratch, (&mut work.leaves, stride));
        for tree in trees {
            let sums = &mut out[tree % self.outputs * stride..][..rows];
            for (row, (sum, leaf)) in sums.iter_mut().zip(&work.leaves[tree * stride..]).enumerate() {
                let (model, value) = &self.linear[tree][*leaf as usize];
                *sum += linear(model, *value, |feature| columns[feature as usize * stride + row]);
            }
        }
    }
}

/// The prediction of a leaf's model for a row, or the value of the leaf if one of the model's features is missing.
fn linear(model: &Linear, value: f64, column: impl Fn(u32) -> f64) -> f64 {
    let mut sum = model.constant;
    for &(feature, coefficient) in &model.terms {
        let number = column(feature);
        if number.is_nan() {
            return value;
        }
        sum += coefficient * number;
    }
    sum
}

/// A tree that adds the values of its leaves, or their numbers, to an output.
fn kernel_tree(tree: &format::Tree, numbers: bool, output: usize) -> Tree<f64> {
    let place = |child: Child| match child {
        Child::Split(at) => at,
        Child::Leaf(at) => tree.splits.len() as u32 + at,
    };
    let split = |split: &Split| {
        let (left, right, feature) = (place(split.left), place(split.right), split.feature);
        match split.test {
            format::Test::AtMost(threshold) => {
                let missing = match split.missing {
                    format::Missing::None => Missing::Never,
                    format::Missing::Zero => Missing::Zero,
                    format::Missing::Nan => Missing::Nan,
                };
                Node::Split { feature, test: Test::AtMost(threshold), missing, missing_left: split.missing_left, left, right }
            }
            // A missing category is in no set, whatever the file says of missing values.
            format::Test::In(set) => {
                Node::Split { feature, test: Test::In(set), missing: Missing::Nan, missing_left: false, left, right }
            }
        }
    };
    let leaves = 0..tree.leaves.len() as u32;
    let values = if numbers { leaves.clone().map(f64::from).collect() } else { tree.leaves.clone() };
    Tree {
        nodes: tree.splits.iter().map(split).chain(leaves.map(Node::Leaf)).collect(),
        sets: tree.sets.iter().map(|words| members(words)).collect(),
        values,
        output: output as u32,
    }
}

/// The categories of a set.
fn members(words: &[u32]) -> Vec<u32> {
    let bits = |(at, &word): (usize, &u32)| (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at as u32 * 32 + bit);
    words.iter().take(MAX_WORDS).enumerate().flat_map(bits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump(test: format::Test) -> format::Tree {
        let split = Split {
            feature: 3,
            test,
            missing: format::Missing::None,
            missing_left: true,
            left: Child::Leaf(0),
            right: Child::Leaf(1),
        };
        format::Tree { splits: vec![split], leaves: vec![1.0, -1.0], sets: vec![vec![0b101, 1]], linear: Vec::new() }
    }

    fn forest(trees: Vec<format::Tree>) -> Result<LgbForest, Obstacle> {
        LgbForest::new(trees, 1, Path::Portable)
    }

    #[test]
    fn a_feature_is_numbers_or_categories() {
        let both = forest(vec![stump(format::Test::In(0)), stump(format::Test::AtMost(0.5))]);
        assert!(matches!(both, Err(Obstacle::Python(reason)) if reason.contains("feature 3 is categories in some trees")));
        let mut leaning = stump(format::Test::In(0));
        leaning.linear = vec![Linear { constant: 1.0, terms: vec![(3, 2.0)] }, Linear::default()];
        assert!(matches!(forest(vec![leaning]), Err(Obstacle::Python(_))));
    }

    #[test]
    fn a_missing_category_is_in_no_set() {
        let Ok(forest) = forest(vec![stump(format::Test::In(0))]) else { panic!("a forest") };
        assert_eq!(forest.features().collect::<Vec<_>>(), [(3, true)]);
        let values = [0.0, 1.0, 2.0, 32.0, 33.0, f64::NAN, -1.0, 1e300, f64::NEG_INFINITY];
        let (mut columns, mut out) = (vec![0.0; BLOCK], vec![9.0; BLOCK]);
        columns[..values.len()].copy_from_slice(&values);
        forest.score(0..1, (&columns, BLOCK), values.len(), &mut Work::default(), &mut out);
        assert_eq!(out[..values.len()], [1.0, -1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0]);
    }
}
