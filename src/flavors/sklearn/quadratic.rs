//! Classes and components by normal distributions: quadratic discriminants and Gaussian mixtures.

use std::{slice, sync::Arc};

use super::{
    bayes::normalized,
    common::{Classifier, Classify, frame, labels, width},
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, validate},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind},
        dense::{Affine, argmax},
        special::digamma,
    },
};

/// How many columns a mixture may have: each component is a square matrix of them, though the file may hold but its diagonal.
const MAX_COLUMNS: usize = 1 << 10;

/// Logarithmic likelihoods: a constant less half the squared length of a linear map's answer.
struct Normals {
    maps: Vec<Affine>,
    constants: Vec<f64>,
}

/// The map `(x - mean) @ matrix`, the matrix by input.
fn map(mean: &[f64], matrix: &[f64], outputs: usize) -> Option<Affine> {
    let inputs = mean.len();
    if matrix.len() != inputs * outputs {
        return None;
    }
    let (mut weights, mut bias) = (Vec::with_capacity(matrix.len()), Vec::with_capacity(outputs));
    for output in 0..outputs {
        let column = || (0..inputs).map(|input| matrix[input * outputs + output]);
        weights.extend(column());
        bias.push(-column().zip(mean).map(|(weight, mean)| weight * mean).sum::<f64>());
    }
    Affine::new(inputs, weights, bias, false)
}

impl Normals {
    fn likelihoods(&self, input: &Block, work: &mut Work, out: &mut Block) {
        out.reset(input.rows(), self.maps.len(), Kind::Double);
        let mut mapped = work.take();
        for (class, (map, constant)) in self.maps.iter().zip(&self.constants).enumerate() {
            map.apply(input, &mut mapped);
            let sums = out.column_mut(class);
            sums.fill(0.0);
            for column in mapped.columns() {
                sums.iter_mut().zip(column).for_each(|(sum, value)| *sum += value * value);
            }
            sums.iter_mut().for_each(|sum| *sum = constant - 0.5 * *sum);
        }
        work.give(mapped);
    }
}

/// `QuadraticDiscriminantAnalysis`
pub(super) fn discriminant(view: View<'_>) -> Made<Shared> {
    let (means, classes, columns) = view.matrix_of("means_")?;
    let (rotations, scalings) = (view.get("rotations_")?.items(), view.get("scalings_")?.items());
    let priors = view.floats_of("priors_")?;
    let unfit = || python("QuadraticDiscriminantAnalysis: its attributes do not fit together");
    if [rotations.len(), scalings.len(), priors.len(), labels(view)?.len()] != [classes; 4] || columns != width(view)? {
        return unfit();
    }
    let mut normals = Normals { maps: Vec::new(), constants: Vec::new() };
    for class in 0..classes {
        let scaling = scalings[class].floats()?;
        let mut matrix = rotations[class].floats()?;
        if matrix.len() != columns * scaling.len() {
            return unfit();
        }
        for row in matrix.chunks_exact_mut(scaling.len().max(1)) {
            row.iter_mut().zip(&scaling).for_each(|(value, scale)| *value *= scale.powf(-0.5));
        }
        let Some(map) = map(&means[class * columns..][..columns], &matrix, scaling.len()) else { return unfit() };
        normals.maps.push(map);
        let logs: f64 = scaling.iter().map(|scale| scale.ln()).sum();
        normals.constants.push(-0.5 * logs + priors[class].ln());
    }
    Classifier::shared(view, Allow::Finite, Discriminant(normals))
}

impl Scores for Normals {
    fn classes(&self) -> usize {
        self.maps.len()
    }

    fn scores(&self, input: &Block, work: &mut Work, out: &mut Block) {
        self.likelihoods(input, work, out);
    }

    fn memory(&self) -> usize {
        self.maps.iter().map(Affine::memory).sum()
    }
}

/// Logarithmic likelihoods of classes, which all that a discriminant answers is made of.
pub(super) trait Scores: Send + Sync {
    fn classes(&self) -> usize;

    fn scores(&self, input: &Block, work: &mut Work, out: &mut Block);

    fn memory(&self) -> usize;
}

/// A classifier by likelihoods.
pub(super) struct Discriminant<T>(pub(super) T);

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

struct Mixture {
    name: String,
    normals: Discriminant<Normals>,
    columns: usize,
    labels: Labels,
    frame: Frame,
}

/// `GaussianMixture`
pub(super) fn mixture(view: View<'_>) -> Made<Shared> {
    let logarithms = view.floats_of("weights_")?.into_iter().map(f64::ln).collect();
    weighed(view, logarithms)
}

/// `BayesianGaussianMixture`, whose weights and precisions are expectations.
pub(super) fn bayesian_mixture(view: View<'_>) -> Made<Shared> {
    let concentration = view.get("weight_concentration_")?;
    let mut logarithms: Vec<f64> = match view.word("weight_concentration_prior_type") {
        "dirichlet_process" => {
            let pairs = concentration.items();
            let [first, second] = pairs[..] else { return concentration.wrong("a pair of arrays") };
            let (first, second) = (first.floats()?, second.floats()?);
            let mut rest = 0.0;
            let one = |(a, b): (&f64, &f64)| {
                let both = digamma(a + b);
                let weight = digamma(*a) - both + rest;
                rest += digamma(*b) - both;
                weight
            };
            first.iter().zip(&second).map(one).collect()
        }
        "dirichlet_distribution" => {
            let parts = concentration.floats()?;
            let all = digamma(parts.iter().sum());
            parts.into_iter().map(|part| digamma(part) - all).collect()
        }
        other => return python(format!("BayesianGaussianMixture: prior '{other}'")),
    };
    let (freedom, precision) = (view.floats_of("degrees_of_freedom_")?, view.floats_of("mean_precision_")?);
    let columns = width(view)?;
    if columns > MAX_COLUMNS || [freedom.len(), precision.len()] != [logarithms.len(); 2] {
        return python("BayesianGaussianMixture: its attributes do not fit together");
    }
    let columns = columns as f64;
    for ((logarithm, freedom), precision) in logarithms.iter_mut().zip(&freedom).zip(&precision) {
        let spread: f64 = (0..columns as usize).map(|at| digamma(0.5 * (freedom - at as f64))).sum();
        let lambda = columns * std::f64::consts::LN_2 + spread;
        *logarithm += 0.5 * (lambda - columns / precision) - 0.5 * columns * freedom.ln();
    }
    weighed(view, logarithms)
}

/// Components of which each weighs so much, by its logarithm.
fn weighed(view: View<'_>, weights: Vec<f64>) -> Made<Shared> {
    let (means, components, columns) = view.matrix_of("means_")?;
    let cholesky = view.floats_of("precisions_cholesky_")?;
    let diagonal = |values: &[f64]| {
        let mut matrix = vec![0.0; columns * columns];
        (0..columns).for_each(|at| matrix[at * columns + at] = values[at]);
        matrix
    };
    if columns > MAX_COLUMNS {
        return python(format!("{}: of more than {MAX_COLUMNS} columns", view.name()));
    }
    let size = columns * columns;
    let (expected, kind) = match view.word("covariance_type") {
        "full" => (components * size, 'f'),
        "tied" => (size, 't'),
        "diag" => (components * columns, 'd'),
        "spherical" => (components, 's'),
        other => return python(format!("{}: covariance '{other}'", view.name())),
    };
    if cholesky.len() != expected || weights.len() != components || components == 0 || columns != width(view)? {
        return python(format!("{}: its attributes do not fit together", view.name()));
    }
    let mut normals = Normals { maps: Vec::new(), constants: Vec::new() };
    for component in 0..components {
        let matrix = match kind {
            'f' => cholesky[component * size..][..size].to_vec(),
            't' => cholesky.clone(),
            'd' => diagonal(&cholesky[component * columns..][..columns]),
            _ => diagonal(&vec![cholesky[component]; columns]),
        };
        let logs: f64 = (0..columns).map(|at| matrix[at * columns + at].ln()).sum();
        let norm = columns as f64 * (2.0 * std::f64::consts::PI).ln();
        normals.constants.push(weights[component] + logs - 0.5 * norm);
        match map(&means[component * columns..][..columns], &matrix, columns) {
            Some(map) => normals.maps.push(map),
            None => return python(format!("{}: its attributes do not fit together", view.name())),
        }
    }
    let labels = Labels::Ints { values: (0..components as i64).collect(), bytes: 8 };
    let name = view.name().into();
    Ok(Arc::new(Mixture { name, normals: Discriminant(normals), columns, labels, frame: frame(view) }))
}

impl Part for Mixture {
    fn has(&self, method: Method) -> bool {
        matches!(method, Method::Predict | Method::Proba)
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate(&self.name, input, self.columns, Allow::Finite)?;
        match method {
            Method::Predict => self.normals.predict(input, work, out),
            _ => self.normals.probabilities(input, work, out),
        }
    }

    fn labels(&self) -> &[Labels] {
        slice::from_ref(&self.labels)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.normals.memory()
    }
}
