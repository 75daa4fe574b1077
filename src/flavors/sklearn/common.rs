//! Attributes that estimators of several families have.

use std::sync::Arc;

use super::{
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, expect_width, has_logarithms, logarithm, validate},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::Block,
        dense::{Affine, argmax},
    },
};

/// The columns an estimator was fitted on.
pub(super) fn frame(view: View<'_>) -> Frame {
    let names = view.find("feature_names_in_").and_then(View::texts).map(Into::into);
    let count = fitted_width(view).and_then(View::int).and_then(|count| usize::try_from(count).ok());
    Frame { names, count, needed: None }
}

/// How many columns an estimator says it was fitted on. Trees and ensembles of them called it otherwise before 0.24.
fn fitted_width(view: View<'_>) -> Option<View<'_>> {
    let old = ["sklearn.tree.", "sklearn.ensemble."].iter().any(|package| view.class().starts_with(package));
    view.find("n_features_in_").or_else(|| view.find("n_features_").filter(|_| old))
}

/// The names of a classifier's classes.
pub(super) fn labels(view: View<'_>) -> Made<Labels> {
    Labels::read(view.get("classes_")?)
}

/// `coef_` and `intercept_`; one number of the latter may stand for all outputs.
pub(super) fn affine(view: View<'_>) -> Made<Affine> {
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
pub(super) fn width(view: View<'_>) -> Made<usize> {
    match fitted_width(view).and_then(View::int).map(usize::try_from) {
        Some(Ok(count)) => Ok(count),
        _ => view.count_of("n_features_in_"),
    }
}

/// What a transformer does to a block that was validated.
pub(super) trait Transform: Send + Sync {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()>;

    /// See [`Part::takes_sparse`].
    fn takes_sparse(&self) -> bool {
        false
    }

    /// See [`Part::sparse_width`].
    fn sparse_width(&self, _input: Option<usize>) -> Option<usize> {
        None
    }

    fn memory(&self) -> usize;
}

/// A transformer with what it was fitted on.
pub(super) struct Step<T> {
    name: String,
    frame: Frame,
    width: usize,
    allow: Option<Allow>,
    inner: T,
}

impl<T: Transform + 'static> Step<T> {
    /// `allow` says which values pass; `None` takes texts as well.
    pub(super) fn shared(view: View<'_>, allow: Option<Allow>, inner: T) -> Made<Shared> {
        Self::of_width(view, width(view)?, allow, inner)
    }

    /// The same where another attribute says how many columns it takes.
    pub(super) fn of_width(view: View<'_>, width: usize, allow: Option<Allow>, inner: T) -> Made<Shared> {
        Ok(Arc::new(Self { name: view.name().into(), frame: frame(view), width, allow, inner }))
    }
}

impl<T: Transform> Part for Step<T> {
    fn has(&self, method: Method) -> bool {
        method == Method::Transform
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        match self.allow {
            Some(allow) => validate(&self.name, input, self.width, allow)?,
            None => expect_width(&self.name, input, self.width)?,
        }
        self.inner.transform(input, work, out)
    }

    fn takes_sparse(&self) -> bool {
        self.inner.takes_sparse()
    }

    fn sparse_width(&self, input: Option<usize>) -> Option<usize> {
        self.inner.sparse_width(input)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.inner.memory()
    }
}

/// What a classifier answers to a block that was validated.
pub(super) trait Classify: Send + Sync {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()>;

    /// Scores of the classes: one column where there are two classes and one column says all.
    fn decision(&self, _input: &Block, _work: &mut Work, _out: &mut Block) -> Option<Result<()>> {
        None
    }

    /// The classes' numbers; by default those of the greatest probabilities.
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
pub(super) struct Classifier<T> {
    name: String,
    frame: Frame,
    width: Option<usize>,
    allow: Allow,
    labels: Labels,
    inner: T,
}

impl<T: Classify + 'static> Classifier<T> {
    pub(super) fn shared(view: View<'_>, allow: Allow, inner: T) -> Made<Shared> {
        let width = Some(width(view)?);
        let classifier = Self { name: view.name().into(), frame: frame(view), width, allow, labels: labels(view)?, inner };
        Ok(Arc::new(classifier))
    }

    /// A classifier that leaves checking the columns to the estimators it holds.
    pub(super) fn around(view: View<'_>, frame: Frame, labels: Labels, inner: T) -> Shared {
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
