//! Decompositions whose transform is one linear map.

use crate::{
    flavors::sklearn::base::{
        Allow, Estimator, Made, Step, View,
        projection::{Map, centered},
        python, width,
    },
    kernels::{dense::Affine, solve},
};

/// `PCA` and `IncrementalPCA`
pub fn principal(view: View<'_>) -> Made<Estimator> {
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
pub fn independent(view: View<'_>) -> Made<Estimator> {
    let mean = view.find("whiten").is_some_and(|whiten| whiten.text().is_some() || whiten.truth());
    centered(view, "components_", mean.then_some("mean_"), None)
}

/// The map `(X - mean) @ weights.T`, whose weights solve `gram @ weights = sides`.
fn solved(view: View<'_>, gram: Vec<f64>, sides: Vec<f64>, outputs: usize) -> Made<Estimator> {
    let mean = view.floats_of("mean_")?;
    let weights = solve::positive(gram, sides, outputs).unwrap_or_default();
    let of = |row: &[f64]| -row.iter().zip(&mean).map(|(weight, mean)| weight * mean).sum::<f64>();
    let bias = weights.chunks_exact(mean.len().max(1)).map(of).collect();
    match Affine::new(mean.len(), weights, bias, false).filter(|affine| affine.outputs() == outputs && outputs > 0) {
        Some(affine) if affine.inputs() == width(view)? => Step::shared(view, Some(Allow::Finite), Map(affine)),
        _ => python(format!("{}: its components do not fit together", view.name())),
    }
}

/// The Gram matrix of some rows, with each column divided by `over` and `ridge` added to the diagonal.
fn gram(rows: &[f64], columns: usize, over: impl Fn(usize) -> f64, ridge: f64) -> Vec<f64> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).enumerate().map(|(at, (a, b))| a / over(at) * b).sum::<f64>();
    let rows: Vec<&[f64]> = rows.chunks_exact(columns.max(1)).collect();
    let one = |(at, a): (usize, &&[f64])| {
        let a = *a;
        rows.iter().enumerate().map(move |(other, b)| product(a, b) + if at == other { ridge } else { 0.0 }).collect::<Vec<_>>()
    };
    rows.iter().enumerate().flat_map(one).collect()
}

/// `FactorAnalysis`
pub fn factors(view: View<'_>) -> Made<Estimator> {
    let (components, outputs, inputs) = view.matrix_of("components_")?;
    let noise = view.floats_of("noise_variance_")?;
    if noise.len() != inputs || outputs > inputs {
        return python("FactorAnalysis: not a variance for every column, or more components than columns");
    }
    let weighed = components.iter().enumerate().map(|(at, value)| value / noise[at % inputs]).collect();
    solved(view, gram(&components, inputs, |column| noise[column], 1.0), weighed, outputs)
}

/// `SparsePCA` and `MiniBatchSparsePCA`
pub fn sparse(view: View<'_>) -> Made<Estimator> {
    let (components, outputs, inputs) = view.matrix_of("components_")?;
    if outputs > inputs || view.is_single("components_") {
        return python(format!("{}: more components than columns, or in single precision", view.name()));
    }
    let ridge = view.float_of("ridge_alpha")?;
    solved(view, gram(&components, inputs, |_| 1.0, ridge), components, outputs)
}
