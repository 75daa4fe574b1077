//! Transformers and regressors that are one linear map: `sklearn.decomposition`, `cross_decomposition`, `random_projection`.

use super::{
    common::{Step, Transform, frame, width},
    linear,
    part::{Allow, Shared, Work},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{block::Block, dense::Affine},
};

struct Map(Affine);

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
fn centered(view: View<'_>, weights: &str, mean: Option<&str>, scale: Option<Vec<f64>>) -> Made<Shared> {
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

/// `PCA` and `IncrementalPCA`
pub(super) fn principal(view: View<'_>) -> Made<Shared> {
    let scale = match view.flag("whiten") {
        true => {
            let smallest = if view.is_single("explained_variance_") { f64::from(f32::EPSILON) } else { f64::EPSILON };
            let variances = view.floats_of("explained_variance_")?;
            Some(variances.into_iter().map(|variance| variance.sqrt().max(smallest)).collect())
        }
        false => None,
    };
    centered(view, "components_", Some("mean_"), scale)
}

/// `FastICA`
pub(super) fn independent(view: View<'_>) -> Made<Shared> {
    let mean = view.find("whiten").is_some_and(|whiten| whiten.text().is_some() || whiten.truth());
    centered(view, "components_", mean.then_some("mean_"), None)
}

/// `TruncatedSVD`, `NeighborhoodComponentsAnalysis`, and random projections that are dense.
pub(super) fn plain(view: View<'_>) -> Made<Shared> {
    match view.get("components_")?.array() {
        Ok(_) => centered(view, "components_", None, None),
        Err(_) => python(format!("{}: its components are a sparse matrix", view.name())),
    }
}

/// `PLSRegression` and its like, as regressors.
pub(super) fn partial_least_squares(view: View<'_>) -> Made<Shared> {
    if view.version() < (1, 3) {
        return python(format!("{}: of a version before 1.3", view.name()));
    }
    let (weights, outputs, inputs) = view.matrix_of("coef_")?;
    let (mean, mut bias) = (view.floats_of("_x_mean")?, view.floats_of("intercept_")?);
    if mean.len() != inputs || bias.len() != outputs {
        return python(format!("{}: its attributes do not fit together", view.name()));
    }
    for (bias, row) in bias.iter_mut().zip(weights.chunks_exact(inputs.max(1))) {
        *bias -= row.iter().zip(&mean).map(|(weight, mean)| weight * mean).sum::<f64>();
    }
    match Affine::new(inputs, weights, bias, false) {
        Some(affine) => Ok(linear::of(view.name(), affine, frame(view))),
        None => python(format!("{}: its attributes do not fit together", view.name())),
    }
}
