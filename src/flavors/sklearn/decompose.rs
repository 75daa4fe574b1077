//! Transformers and regressors that are one linear map: `sklearn.decomposition`, `cross_decomposition`, `random_projection`.

use super::{
    common::{Step, Transform, frame, width},
    linear,
    part::{Allow, Shared, Work},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::Block,
        dense::{Affine, expit},
        solve,
    },
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

/// `TruncatedSVD`, `NeighborhoodComponentsAnalysis`, and random projections.
pub(super) fn plain(view: View<'_>) -> Made<Shared> {
    centered(view, "components_", None, None)
}

/// The map `(X - mean) @ weights.T` of weights that are solved for: `gram` times them are `sides`.
fn solved(view: View<'_>, gram: Vec<f64>, sides: Vec<f64>, outputs: usize) -> Made<Shared> {
    let mean = view.floats_of("mean_")?;
    let weights = solve::positive(gram, sides, outputs).unwrap_or_default();
    let of = |row: &[f64]| -row.iter().zip(&mean).map(|(weight, mean)| weight * mean).sum::<f64>();
    let bias = weights.chunks_exact(mean.len().max(1)).map(of).collect();
    match Affine::new(mean.len(), weights, bias, false).filter(|affine| affine.outputs() == outputs && outputs > 0) {
        Some(affine) if affine.inputs() == width(view)? => Step::shared(view, Some(Allow::Finite), Map(affine)),
        _ => python(format!("{}: its components do not fit together", view.name())),
    }
}

/// Products of each two of some rows, each column divided by a number, and something added where a row meets itself.
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
pub(super) fn factors(view: View<'_>) -> Made<Shared> {
    let (components, outputs, inputs) = view.matrix_of("components_")?;
    let noise = view.floats_of("noise_variance_")?;
    if noise.len() != inputs || outputs > inputs {
        return python("FactorAnalysis: not a variance for every column, or more components than columns");
    }
    let weighed = components.iter().enumerate().map(|(at, value)| value / noise[at % inputs]).collect();
    solved(view, gram(&components, inputs, |column| noise[column], 1.0), weighed, outputs)
}

/// `SparsePCA` and `MiniBatchSparsePCA`
pub(super) fn sparse(view: View<'_>) -> Made<Shared> {
    let (components, outputs, inputs) = view.matrix_of("components_")?;
    if outputs > inputs || view.is_single("components_") {
        return python(format!("{}: more components than columns, or in single precision", view.name()));
    }
    let ridge = view.float_of("ridge_alpha")?;
    solved(view, gram(&components, inputs, |_| 1.0, ridge), components, outputs)
}

struct Hidden(Affine);

/// `BernoulliRBM`
pub(super) fn boltzmann(view: View<'_>) -> Made<Shared> {
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
