//! `BernoulliRBM`

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Made, Step, Transform, View, Work, python, width},
    kernels::{
        block::Block,
        dense::{Affine, expit},
    },
};

struct Hidden(Affine);

/// `BernoulliRBM`
pub fn boltzmann(view: View<'_>) -> Made<Estimator> {
    let (weights, _, inputs) = view.matrix_of("components_")?;
    match Affine::new(inputs, weights, view.floats_of("intercept_hidden_")?, false) {
        Some(affine) if inputs == width(view)? => Step::shared(view, Some(Allow::Finite), Hidden(affine)),
        _ => python("BernoulliRBM: its attributes do not fit together"),
    }
}

impl Transform for Hidden {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        self.0.apply(input, out);
        out.map(expit);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }
}
