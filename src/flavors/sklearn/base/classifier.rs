//! A classifier as an estimator.

use std::sync::Arc;

use super::{Allow, Estimator, Frame, Labels, Made, Method, Part, View, Work, frame, has_logarithms, labels, validate, width};
use crate::{
    error::Result,
    kernels::{block::Block, dense::argmax},
};

/// The methods of a classifier, for a block that was validated.
pub trait Classify: Send + Sync {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()>;

    /// The scores of the classes, of which two classes may have only one column.
    fn decision(&self, _input: &Block, _work: &mut Work, _out: &mut Block) -> Option<Result<()>> {
        None
    }

    /// The numbers of the predicted classes, by default those with the greatest probability.
    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut scores = work.take();
        self.probabilities(input, work, &mut scores)?;
        argmax(&scores, out);
        work.give(scores);
        Ok(())
    }

    /// Logarithms of the probabilities.
    fn logarithms(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.probabilities(input, work, out)?;
        logarithm(out);
        Ok(())
    }

    fn has_decision(&self) -> bool {
        false
    }

    /// See [`Part::takes_sparse`].
    fn takes_sparse(&self) -> bool {
        false
    }

    fn has_probabilities(&self) -> bool {
        true
    }

    fn memory(&self) -> usize;
}

/// A classifier with what it was fitted on.
pub struct Classifier<T> {
    pub name: String,
    pub frame: Frame,
    pub width: Option<usize>,
    pub allow: Allow,
    pub labels: Labels,
    pub inner: T,
}

impl<T: Classify + 'static> Classifier<T> {
    pub fn shared(view: View<'_>, allow: Allow, inner: T) -> Made<Estimator> {
        let width = Some(width(view)?);
        let classifier = Self { name: view.name().into(), frame: frame(view), width, allow, labels: labels(view)?, inner };
        Ok(Arc::new(classifier))
    }

    /// A classifier that leaves checking the columns to the estimators it holds.
    pub fn around(view: View<'_>, frame: Frame, labels: Labels, inner: T) -> Estimator {
        Arc::new(Self { name: view.name().into(), frame, width: None, allow: Allow::All, labels, inner })
    }
}

impl<T: Classify> Part for Classifier<T> {
    fn has(&self, method: Method) -> bool {
        match method {
            Method::Predict => true,
            Method::Proba => self.inner.has_probabilities(),
            Method::LogProba => self.inner.has_probabilities() && has_logarithms(&self.name),
            Method::Decision => self.inner.has_decision(),
            Method::Transform => false,
        }
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if let Some(width) = self.width {
            validate(&self.name, input, width, self.allow)?;
        }
        match method {
            Method::Predict => self.inner.predict(input, work, out),
            Method::LogProba => self.inner.logarithms(input, work, out),
            Method::Decision => self.inner.decision(input, work, out).unwrap_or(Ok(())),
            Method::Proba | Method::Transform => self.inner.probabilities(input, work, out),
        }
    }

    fn takes_sparse(&self) -> bool {
        self.inner.takes_sparse()
    }

    fn labels(&self) -> &[Labels] {
        std::slice::from_ref(&self.labels)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.inner.memory()
    }
}

/// The natural logarithm of every value.
pub fn logarithm(block: &mut Block) {
    block.map(f64::ln);
}
