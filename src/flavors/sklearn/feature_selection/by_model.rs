//! Columns chosen by an estimator: `RFE`, `RFECV` and `SelectFromModel`.

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Allow, Estimator, Frame, Labels, Made, Method, Part, View, Work, frame, python, validate},
        registry::build,
    },
    kernels::block::{Block, Kind},
};

/// An estimator of the chosen columns. These columns are the answer of `transform`.
struct Eliminated {
    name: String,
    frame: Frame,
    columns: usize,
    chosen: Vec<usize>,
    inner: Estimator,
}

/// `RFE` and `RFECV`
pub fn eliminated(view: View<'_>) -> Made<Estimator> {
    let mask = view.floats_of("support_")?;
    kept(view, view.get("estimator_")?, mask.into_iter().map(|kept| kept != 0.0).collect())
}

/// `SelectFromModel` with an estimator that has weights.
pub fn from_model(view: View<'_>) -> Made<Estimator> {
    let estimator = view.find("estimator_").map_or_else(|| view.get("estimator"), Ok)?;
    if view.find("importance_getter").and_then(View::text).is_some_and(|getter| getter != "auto") {
        return python("SelectFromModel: importances by another name");
    }
    let order = view.float_of("norm_order")?;
    if order != 1.0 || view.find("max_features").is_some() {
        return python("SelectFromModel: another norm, or a greatest number of columns");
    }
    let (weights, _, columns) = estimator.matrix_of("coef_")?;
    let mut scores = vec![0.0; columns];
    for row in weights.chunks_exact(columns.max(1)) {
        scores.iter_mut().zip(row).for_each(|(score, weight)| *score += weight.abs());
    }
    let threshold = match view.find("threshold") {
        Some(threshold) if threshold.number().is_some() => threshold.number(),
        Some(threshold) => (threshold.text() == Some("mean")).then(|| mean(&scores)),
        None if estimator.word("penalty") == "l1" || estimator.name().contains("Lasso") => Some(1e-5),
        None => Some(mean(&scores)),
    };
    let Some(threshold) = threshold else { return python("SelectFromModel: another threshold") };
    kept(view, estimator, scores.into_iter().map(|score| score >= threshold).collect())
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

fn kept(view: View<'_>, estimator: View<'_>, mask: Vec<bool>) -> Made<Estimator> {
    let chosen = mask.iter().enumerate().filter(|(_, kept)| **kept).map(|(column, _)| column).collect();
    let inner = build(estimator)?;
    Ok(Arc::new(Eliminated { name: view.name().into(), frame: frame(view), columns: mask.len(), chosen, inner }))
}

impl Part for Eliminated {
    fn has(&self, method: Method) -> bool {
        method == Method::Transform || (self.name != "SelectFromModel" && self.inner.has(method))
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let allow = if self.name == "SelectFromModel" { Allow::Finite } else { Allow::Missing };
        validate(&self.name, input, self.columns, allow)?;
        let mut chosen = work.take();
        let target = if method == Method::Transform { &mut *out } else { &mut chosen };
        target.reset(input.rows(), self.chosen.len(), Kind::Double);
        for (to, &column) in self.chosen.iter().enumerate() {
            target.copy_column(to, input, column);
        }
        let made = match method {
            Method::Transform => Ok(()),
            _ => self.inner.run(method, &chosen, work, out),
        };
        work.give(chosen);
        made
    }

    fn labels(&self) -> &[Labels] {
        self.inner.labels()
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.inner.memory()
    }
}
