//! Transformers that are one linear map.

use super::{Allow, Estimator, Made, Step, Transform, View, Work, python, width};
use crate::{
    error::Result,
    kernels::{block::Block, dense::Affine},
};

pub struct Map(pub Affine);

impl Transform for Map {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        self.0.apply(input, out);
        Ok(())
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }
}

/// `(X - mean) @ weights.T`, each output divided by its scale.
pub fn centered(view: View<'_>, weights: &str, mean: Option<&str>, scale: Option<Vec<f64>>) -> Made<Estimator> {
    let (mut weights_of, outputs, inputs) = view.matrix_of(weights)?;
    let mean = match mean.and_then(|mean| view.find(mean)) {
        Some(mean) => mean.floats()?,
        None => vec![0.0; inputs],
    };
    let scale = scale.unwrap_or_else(|| vec![1.0; outputs]);
    if mean.len() != inputs || scale.len() != outputs || width(view)? != inputs {
        return python(format!("{}: its attributes do not fit together", view.name()));
    }
    let mut bias = Vec::with_capacity(outputs);
    for (row, scale) in weights_of.chunks_exact_mut(inputs.max(1)).zip(&scale) {
        row.iter_mut().for_each(|weight| *weight /= scale);
        bias.push(-row.iter().zip(&mean).map(|(weight, mean)| weight * mean).sum::<f64>());
    }
    match Affine::new(inputs, weights_of, bias, view.is_single(weights)) {
        Some(affine) => Step::shared(view, Some(Allow::Finite), Map(affine)),
        None => python(format!("{}: its attributes do not fit together", view.name())),
    }
}

/// `TruncatedSVD`, `NeighborhoodComponentsAnalysis`, and random projections.
pub fn plain(view: View<'_>) -> Made<Estimator> {
    centered(view, "components_", None, None)
}
