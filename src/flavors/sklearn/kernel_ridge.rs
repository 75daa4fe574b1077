//! `sklearn.kernel_ridge`

use std::sync::Arc;

use crate::flavors::sklearn::base::{
    Estimator, Made, View, frame,
    kernel_machine::{KernelModel, fitted},
};

/// `KernelRidge`
pub fn kernel_ridge(view: View<'_>) -> Made<Estimator> {
    let weights = view.get("dual_coef_")?;
    let outputs = weights.array()?.shape.get(1).copied().unwrap_or(1);
    let machine = fitted(view, "X_fit_", &weights.floats()?, outputs)?;
    Ok(Arc::new(KernelModel { name: view.name().into(), frame: frame(view), machine, labels: Vec::new() }))
}
