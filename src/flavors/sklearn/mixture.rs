//! `sklearn.mixture`

use std::{slice, sync::Arc};

use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Classify, Estimator, Frame, Labels, Made, Method, Part, View, Work,
        discriminant::Discriminant,
        frame,
        normals::{Normals, map},
        python, validate, width,
    },
    kernels::{block::Block, special::digamma},
};

/// How many columns a mixture may have. Each component becomes a square matrix, even if the file has only its diagonal.
const MAX_COLUMNS: usize = 1 << 10;

struct Mixture {
    name: String,
    normals: Discriminant<Normals>,
    columns: usize,
    labels: Labels,
    frame: Frame,
}

/// `GaussianMixture`
pub fn mixture(view: View<'_>) -> Made<Estimator> {
    let logarithms = view.floats_of("weights_")?.into_iter().map(f64::ln).collect();
    weighed(view, logarithms)
}

/// `BayesianGaussianMixture`, whose weights and precisions are expectations.
pub fn bayesian_mixture(view: View<'_>) -> Made<Estimator> {
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

/// A mixture whose components have these logarithms of weights.
fn weighed(view: View<'_>, weights: Vec<f64>) -> Made<Estimator> {
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
