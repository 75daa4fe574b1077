//! `sklearn.dummy`

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::base::{Classifier, Classify, Estimator, Frame, Made, Method, Part, View, Work, frame, labels, python},
    kernels::block::{Block, Kind},
};

/// The same numbers for every row.
struct Constant {
    values: Vec<f64>,
    frame: Frame,
}

/// `DummyRegressor`
pub fn regressor(view: View<'_>) -> Made<Estimator> {
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

/// `DummyClassifier` with a strategy that is not random.
pub fn classifier(view: View<'_>) -> Made<Estimator> {
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
    Ok(Classifier::around(view, frame(view), classes, prior))
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
