//! `sklearn.cross_decomposition`

use crate::{
    flavors::sklearn::base::{Estimator, Made, View, frame, linear, python},
    kernels::dense::Affine,
};

/// `PLSRegression`, `PLSCanonical` and `CCA` as regressors.
pub fn partial_least_squares(view: View<'_>) -> Made<Estimator> {
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
        Some(affine) => Ok(linear::regressor_of(view.name(), affine, frame(view))),
        None => python(format!("{}: its attributes do not fit together", view.name())),
    }
}
