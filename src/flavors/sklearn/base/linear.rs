//! Regressors and classifiers that are one linear map.

use std::{slice, sync::Arc};

use super::{
    Allow, Estimator, Frame, Labels, Made, Method, Part, View, Work, affine, frame, labels, logarithm, python, validate,
};
use crate::{
    error::Result,
    kernels::{
        BLOCK,
        block::{Block, Kind},
        dense::{Affine, both, decide, expit, normalize, softmax},
    },
};

/// A regressor: a linear map and the inverse of its link.
struct LinearRegressor {
    name: String,
    affine: Affine,
    exponential: bool,
    frame: Frame,
}

/// Any regressor that is `X @ coef_.T + intercept_`.
pub fn regressor(view: View<'_>) -> Made<Estimator> {
    made(view, false)
}

/// A regressor from a linear map.
pub fn regressor_of(name: &str, affine: Affine, frame: Frame) -> Estimator {
    Arc::new(LinearRegressor { name: name.into(), affine, exponential: false, frame })
}

pub fn made(view: View<'_>, exponential: bool) -> Made<Estimator> {
    Ok(Arc::new(LinearRegressor { name: view.name().into(), affine: affine(view)?, exponential, frame: frame(view) }))
}

/// Applies a linear map to a block whose values must be finite. A value that is not makes the sum of its row not finite, so the
/// values are only checked one by one where a sum is not finite.
fn mapped(name: &str, affine: &Affine, input: &Block, out: &mut Block) -> Result<()> {
    validate(name, input, affine.inputs(), Allow::All)?;
    affine.apply(input, out);
    match out.columns().next().is_some_and(|sums| sums.iter().all(|sum| sum.is_finite())) {
        true => Ok(()),
        false => validate(name, input, affine.inputs(), Allow::Finite),
    }
}

/// How many rows are best scored at once. Longer runs of a lent column are faster, as the CPU prefetches memory that is read in
/// sequence.
fn rows(lent: bool) -> usize {
    if lent { 4 * BLOCK } else { BLOCK }
}

impl Part for LinearRegressor {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        mapped(&self.name, &self.affine, input, out)?;
        if self.exponential {
            out.map(f64::exp);
        }
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn rows(&self, lent: bool) -> usize {
        rows(lent)
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        self.affine.memory()
    }
}

/// How scores become probabilities.
#[derive(Clone, Copy, PartialEq)]
pub enum Probability {
    /// There are none.
    None,
    /// The logistic function of each score, divided by the sum over the classes.
    OneVsRest,
    Softmax,
    /// Two classes whose scores are the one score and its negative.
    SoftmaxOfBoth,
    /// The score, clipped to -1 and 1 and scaled to 0 and 1.
    Clipped,
}

/// A classifier by linear scores.
pub struct LinearClassifier {
    pub name: String,
    pub affine: Affine,
    pub labels: Labels,
    pub probability: Probability,
    pub frame: Frame,
}

pub fn classifier(view: View<'_>, probability: Probability) -> Made<Estimator> {
    let (affine, labels) = (affine(view)?, labels(view)?);
    let outputs = if labels.len() == 2 { 1 } else { labels.len() };
    if affine.outputs() != outputs || labels.len() < 2 {
        return python(format!("{}: {} scores for {} classes", view.name(), affine.outputs(), labels.len()));
    }
    Ok(Arc::new(LinearClassifier { name: view.name().into(), affine, labels, probability, frame: frame(view) }))
}

/// Classifiers without probabilities.
pub fn scorer(view: View<'_>) -> Made<Estimator> {
    classifier(view, Probability::None)
}

impl LinearClassifier {
    fn probabilities(&self, scores: &mut Block, out: &mut Block) {
        match self.probability {
            Probability::Softmax => {
                out.reset(scores.rows(), scores.width(), scores.kind());
                out.copy(0, scores);
                softmax(out);
            }
            Probability::SoftmaxOfBoth => {
                out.reset(scores.rows(), 2, scores.kind());
                out.copy_column(1, scores, 0);
                for (negative, score) in out.column_mut(0).iter_mut().zip(scores.column(0)) {
                    *negative = -score;
                }
                softmax(out);
            }
            _ => {
                match self.probability {
                    Probability::Clipped => scores.map(|score| (score.clamp(-1.0, 1.0) + 1.0) / 2.0),
                    _ => scores.map(expit),
                }
                if scores.width() == 1 {
                    return both(scores, out);
                }
                out.reset(scores.rows(), scores.width(), scores.kind());
                out.copy(0, scores);
                normalize(out);
            }
        }
    }
}

impl Part for LinearClassifier {
    fn has(&self, method: Method) -> bool {
        match method {
            Method::Predict | Method::Decision => true,
            Method::Proba | Method::LogProba => self.probability != Probability::None,
            Method::Transform => false,
        }
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if method == Method::Decision {
            return mapped(&self.name, &self.affine, input, out);
        }
        let mut scores = work.take();
        let made = mapped(&self.name, &self.affine, input, &mut scores).map(|()| match method {
            Method::Predict => decide(&scores, out),
            _ => self.probabilities(&mut scores, out),
        });
        work.give(scores);
        made?;
        if method == Method::LogProba {
            if self.name == "LinearDiscriminantAnalysis" {
                // The library avoids the logarithm of zero in this way.
                let smallest = if out.kind() == Kind::Single { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE };
                out.map(|value| if value == 0.0 { smallest } else { value });
            }
            logarithm(out);
        }
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        slice::from_ref(&self.labels)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn rows(&self, lent: bool) -> usize {
        rows(lent)
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        self.affine.memory()
    }
}
