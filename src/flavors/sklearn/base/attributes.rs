//! Attributes that estimators of several packages have.

use super::{Frame, Labels, Made, View, python};
use crate::kernels::dense::Affine;

/// The columns an estimator was fitted on.
pub fn frame(view: View<'_>) -> Frame {
    let names = view.find("feature_names_in_").and_then(View::texts).map(Into::into);
    let count = fitted_width(view).and_then(View::int).and_then(|count| usize::try_from(count).ok());
    Frame { names, count, needed: None }
}

/// How many columns an estimator says it was fitted on. The attribute had another name in trees and their ensembles before 0.24.
fn fitted_width(view: View<'_>) -> Option<View<'_>> {
    let old = ["sklearn.tree.", "sklearn.ensemble."].iter().any(|package| view.class().starts_with(package));
    view.find("n_features_in_").or_else(|| view.find("n_features_").filter(|_| old))
}

/// The names of a classifier's classes.
pub fn labels(view: View<'_>) -> Made<Labels> {
    Labels::read(view.get("classes_")?)
}

/// `coef_` and `intercept_`; one number of the latter may stand for all outputs.
pub fn affine(view: View<'_>) -> Made<Affine> {
    let (values, outputs, inputs) = view.matrix_of("coef_")?;
    let mut offsets = match view.find("intercept_") {
        Some(found) => found.floats()?,
        None => vec![0.0],
    };
    if let [one] = *offsets.as_slice() {
        offsets = vec![one; outputs];
    }
    match Affine::new(inputs, values, offsets, view.is_single("coef_")) {
        Some(affine) => Ok(affine),
        None => python(format!("{}: its weights and intercepts do not fit together", view.name())),
    }
}

/// How many columns an estimator was fitted on.
pub fn width(view: View<'_>) -> Made<usize> {
    match fitted_width(view).and_then(View::int).map(usize::try_from) {
        Some(Ok(count)) => Ok(count),
        _ => view.count_of("n_features_in_"),
    }
}
