//! `sklearn.dummy`, and what stands in for a classifier that saw one class.

use std::sync::Arc;

use super::{
    common::{Classify, frame, labels},
    part::{Frame, Labels, Method, Part, Shared, Work},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::block::{Block, Kind},
};

/// The same numbers for every row.
struct Constant {
    values: Vec<f64>,
    frame: Frame,
}

/// `DummyRegressor`
pub(super) fn regressor(view: View<'_>) -> Made<Shared> {
    Ok(Arc::new(Constant { values: view.floats_of("constant_")?, frame: frame(view) }))
}

impl Part for Constant {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        out.reset(input.rows(), self.values.len(), Kind::Double);
        self.values.iter().enumerate().for_each(|(column, value)| out.column_mut(column).fill(*value));
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.values.len() * 8
    }
}

/// The same probabilities for every row.
struct Prior {
    probabilities: Vec<f64>,
    class: usize,
}

/// `DummyClassifier`, unless it draws lots.
pub(super) fn classifier(view: View<'_>) -> Made<Shared> {
    let prior = view.floats_of("class_prior_")?;
    let classes = labels(view)?;
    if prior.len() != classes.len() {
        return python("DummyClassifier: several outputs");
    }
    let class = (0..prior.len()).fold(0, |best, at| if prior[at] > prior[best] { at } else { best });
    let probabilities = match view.word("strategy") {
        "prior" => prior,
        "most_frequent" => (0..prior.len()).map(|at| f64::from(u8::from(at == class))).collect(),
        other => return python(format!("DummyClassifier: strategy '{other}'")),
    };
    let prior = Prior { probabilities, class };
    Ok(super::common::Classifier::around(view, frame(view), classes, prior))
}

impl Classify for Prior {
    fn probabilities(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        out.reset(input.rows(), self.probabilities.len(), Kind::Double);
        self.probabilities.iter().enumerate().for_each(|(class, value)| out.column_mut(class).fill(*value));
        Ok(())
    }

    fn predict(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        out.reset(input.rows(), 1, Kind::Class);
        out.column_mut(0).fill(self.class as f64);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.probabilities.len() * 8
    }
}

/// One of two classes for every row, and its number as the decision.
struct Certain {
    frame: Frame,
    number: f64,
    labels: Labels,
}

/// What `OneVsRestClassifier` and `OutputCodeClassifier` hold for a split with one class alone.
pub(super) fn certain(view: View<'_>) -> Made<Shared> {
    let number = view.float_of("y_")?;
    let labels = Labels::Ints { values: vec![0, 1], bytes: 8 };
    Ok(Arc::new(Certain { frame: frame(view), number, labels }))
}

impl Part for Certain {
    fn has(&self, method: Method) -> bool {
        matches!(method, Method::Predict | Method::Decision | Method::Proba)
    }

    fn run(&self, method: Method, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        let (values, kind) = match method {
            Method::Proba => (&[1.0 - self.number, self.number][..], Kind::Double),
            Method::Decision => (&[self.number][..], Kind::Double),
            _ => (&[f64::from(u8::from(self.number > 0.0))][..], Kind::Class),
        };
        out.reset(input.rows(), values.len(), kind);
        values.iter().enumerate().for_each(|(column, value)| out.column_mut(column).fill(*value));
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        std::slice::from_ref(&self.labels)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        size_of::<Self>()
    }
}
