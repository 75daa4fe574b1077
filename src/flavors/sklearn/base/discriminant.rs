//! Classifiers by the logarithmic likelihoods of the classes.

use super::{Classify, Work};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind},
        dense::argmax,
    },
};

/// Logarithmic likelihoods of the classes, from which all answers of a discriminant are computed.
pub trait Scores: Send + Sync {
    fn classes(&self) -> usize;

    fn scores(&self, input: &Block, work: &mut Work, out: &mut Block);

    fn memory(&self) -> usize;
}

/// A classifier by likelihoods.
pub struct Discriminant<T>(pub T);

impl<T: Scores> Classify for Discriminant<T> {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.logarithms(input, work, out)?;
        out.map(f64::exp);
        Ok(())
    }

    fn logarithms(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.0.scores(input, work, out);
        normalized(out);
        Ok(())
    }

    fn decision(&self, input: &Block, work: &mut Work, out: &mut Block) -> Option<Result<()>> {
        if self.0.classes() != 2 {
            self.0.scores(input, work, out);
            return Some(Ok(()));
        }
        let mut scores = work.take();
        self.0.scores(input, work, &mut scores);
        out.reset(input.rows(), 1, Kind::Double);
        for (row, difference) in out.column_mut(0).iter_mut().enumerate() {
            *difference = scores.at(row, 1) - scores.at(row, 0);
        }
        work.give(scores);
        Some(Ok(()))
    }

    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut scores = work.take();
        self.0.scores(input, work, &mut scores);
        argmax(&scores, out);
        work.give(scores);
        Ok(())
    }

    fn has_decision(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }
}

/// Subtracts from each row the logarithm of the sum of its exponentials.
pub fn normalized(block: &mut Block) {
    let width = block.width();
    for row in 0..block.rows() {
        let greatest = (0..width).map(|column| block.at(row, column)).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..width).map(|column| (block.at(row, column) - greatest).exp()).sum();
        let norm = greatest + sum.ln();
        (0..width).for_each(|column| block.column_mut(column)[row] -= norm);
    }
}
