//! How LightGBM's Python classes turn the predictions of their Booster into an answer.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array},
    datatypes::DataType,
};

use crate::{
    error::Result,
    flavors::common::{labels::Labels, obstacle::NeedsPython},
    kernels::dense::greatest,
};

/// What a model answers.
pub(super) enum LgbAnswer {
    /// The predictions.
    Values,
    /// Names of the classes with the greatest probability.
    Names(Labels, Given),
    /// A classifier's probabilities, one a class.
    Probabilities(Given),
}

/// What a classifier's Booster predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// The probability of the second of two classes.
    Second,
    /// One probability for each of this many classes.
    Each(usize),
}

impl Given {
    /// What the Booster of a classifier predicts, or why its outputs do not fit the number of classes.
    pub(super) fn new(outputs: usize, classes: usize, multiclass: bool) -> Result<Self, NeedsPython> {
        match (multiclass, outputs) {
            (false, 1) if classes == 2 => Ok(Self::Second),
            (true, 2..) if classes == outputs => Ok(Self::Each(outputs)),
            _ => Err(format!("its {classes} classes do not fit the Booster's {outputs} outputs")),
        }
    }

    fn width(self) -> usize {
        match self {
            Self::Second => 2,
            Self::Each(classes) => classes,
        }
    }

    /// One column of probabilities for each class.
    fn probabilities(self, mut values: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        if self == Self::Second {
            let first = values[0].iter().map(|second| 1.0 - second).collect();
            values.insert(0, first);
        }
        values
    }
}

impl LgbAnswer {
    /// Type and number of the answer's columns for a Booster with `outputs` outputs.
    pub(super) fn shape(&self, outputs: usize) -> (DataType, usize) {
        match self {
            Self::Values => (DataType::Float64, outputs),
            Self::Names(labels, _) => (labels.data_type(), 1),
            Self::Probabilities(given) => (DataType::Float64, given.width()),
        }
    }

    /// Turns the Booster's columns into the answer's.
    pub(super) fn columns(&self, values: Vec<Vec<f64>>) -> Result<Vec<ArrayRef>> {
        let columns = match self {
            Self::Values => values,
            Self::Probabilities(given) => given.probabilities(values),
            Self::Names(labels, given) => {
                let values = given.probabilities(values);
                let rows = values.first().map_or(0, Vec::len);
                let classes: Vec<f64> = (0..rows).map(|row| greatest(&values, row) as f64).collect();
                return Ok(vec![labels.named(&classes)?]);
            }
        };
        Ok(columns.into_iter().map(|column| Arc::new(Float64Array::from(column)) as ArrayRef).collect())
    }
}
