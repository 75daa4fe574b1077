//! Random forests, and `RandomTreesEmbedding`, which gives a column a leaf.

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Allow, Estimator, Made, Step, Transform, View, Work, python, validate_single, width},
        tree::{Trees, add, allow, model},
    },
    kernels::{
        block::{Block, Kind},
        trees::Ensemble,
    },
};

struct Leaves {
    /// Each tree adds the number of the column of its leaf to an output of its own.
    trees: Ensemble<f32, f64>,
    allow: Allow,
    inputs: usize,
    columns: usize,
}

/// `RandomTreesEmbedding`
pub fn embedding(view: View<'_>) -> Made<Estimator> {
    let estimators = view.get("estimators_")?.items();
    let leaves = view.get("one_hot_encoder_")?.get("categories_")?.items();
    let Some(first) = estimators.first().filter(|_| estimators.len() == leaves.len()) else {
        return python("RandomTreesEmbedding: its trees and the encoder of their leaves do not fit together");
    };
    let (mut read, mut columns) = (Trees::new(1), 0);
    for (tree, (estimator, leaves)) in estimators.iter().zip(leaves).enumerate() {
        let leaves = leaves.ints()?;
        // A leaf that no row of the training data reached has no column, and the encoder refuses it.
        let column = |node: usize| leaves.iter().position(|&leaf| leaf == node as i64).map(|at| (columns + at) as f64);
        read.push(estimator.get("tree_")?, tree, |node, _, leaf| leaf.extend(column(node)))?;
        columns += leaves.len();
    }
    let (inputs, allow) = (width(view)?, allow(*first, false));
    let trees = read.ensemble(inputs)?;
    Step::shared(view, Some(Allow::All), Leaves { trees, allow, inputs, columns })
}

impl Transform for Leaves {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate_single("RandomTreesEmbedding", input, self.inputs, self.allow)?;
        let mut numbers = work.take();
        numbers.reset_zeros(input.rows(), self.trees.count(), Kind::Double);
        add(&self.trees, input, &mut work.scratch, &mut numbers);
        let lit = out.reset_sparse(input.rows(), self.columns);
        for row in 0..input.rows() {
            (0..self.trees.count()).for_each(|tree| lit.push(numbers.at(row, tree) as usize, 1.0));
            lit.end_row();
        }
        work.give(numbers);
        Ok(())
    }

    fn sparse_width(&self, _input: Option<usize>) -> Option<usize> {
        Some(self.columns)
    }

    fn memory(&self) -> usize {
        self.trees.memory()
    }
}

/// `RandomForestClassifier`, `ExtraTreesClassifier`
pub fn forest_classifier(view: View<'_>) -> Made<Estimator> {
    model(view, &view.get("estimators_")?.items(), true, true)
}

/// `RandomForestRegressor`, `ExtraTreesRegressor`
pub fn forest_regressor(view: View<'_>) -> Made<Estimator> {
    model(view, &view.get("estimators_")?.items(), false, true)
}
