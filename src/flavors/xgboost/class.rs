//! XGBoost's Python classes, and how their `predict` turns the output of the objective into an answer.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array},
    datatypes::DataType,
};

use crate::{
    error::Result,
    flavors::common::{labels::Labels, obstacle::NeedsPython},
    kernels::{dense::greatest, link::Link},
};

/// The class a model was saved as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Booster,
    Regressor,
    Ranker,
    Classifier,
}

/// What `predict` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum XgbAnswer {
    /// The output of the link, this many numbers for each row.
    Values(usize),
    /// The class with the greatest of this many probabilities.
    Class(usize),
    /// Whether each of this many probabilities is above one half, as 0.0 and 1.0.
    Labels(usize),
    /// Whether the one probability is above one half.
    Binary,
    /// The class that the objective gives.
    Softmax,
}

impl Class {
    /// By the flavor's `model_class`; models of MLflow before 1.22 have none and are Boosters.
    pub(super) fn from_name(name: Option<&str>) -> Result<Self, NeedsPython> {
        match name {
            None | Some("xgboost.core.Booster") => Ok(Self::Booster),
            Some("xgboost.sklearn.XGBRegressor" | "xgboost.sklearn.XGBRFRegressor" | "xgboost.sklearn.XGBModel") => {
                Ok(Self::Regressor)
            }
            Some("xgboost.sklearn.XGBRanker") => Ok(Self::Ranker),
            Some("xgboost.sklearn.XGBClassifier" | "xgboost.sklearn.XGBRFClassifier") => Ok(Self::Classifier),
            Some(other) => Err(format!("its class {other} is not one of XGBoost's own")),
        }
    }

    /// What `predict` of a version answers for a model with `outputs` outputs.
    pub(super) fn answer(self, link: Link, outputs: usize, num_class: usize, version: [i64; 3]) -> XgbAnswer {
        let width = link.width(outputs);
        if self != Self::Classifier {
            return XgbAnswer::Values(width);
        }
        if version < [1, 6, 0] {
            return if width > 1 { XgbAnswer::Class(width) } else { XgbAnswer::Binary };
        }
        // The same cases as in XGBClassifier, including its treatment of outputs with two columns.
        let classes = if num_class < 2 { 2 } else { num_class };
        match (width, link) {
            (2.., _) if classes != 2 => XgbAnswer::Class(width),
            (2.., _) => XgbAnswer::Labels(width),
            (_, Link::ArgMax) => XgbAnswer::Softmax,
            _ => XgbAnswer::Binary,
        }
    }
}

impl XgbAnswer {
    /// Type and number of the answer's columns.
    pub(super) fn shape(self, labels: Option<&Labels>) -> (DataType, usize) {
        match (self, labels) {
            (Self::Class(_) | Self::Binary, Some(labels)) => (labels.data_type(), 1),
            (answer, _) => answer.plain_shape(),
        }
    }

    fn plain_shape(self) -> (DataType, usize) {
        match self {
            Self::Values(width) => (DataType::Float32, width),
            Self::Class(_) | Self::Binary => (DataType::Int64, 1),
            Self::Labels(width) => (DataType::Float64, width),
            Self::Softmax => (DataType::Int32, 1),
        }
    }

    /// Turns the link's columns into the answer's.
    pub(super) fn columns(self, mut values: Vec<Vec<f32>>, labels: Option<&Labels>) -> Result<Vec<ArrayRef>> {
        let above = |values: &[f32]| values.iter().map(|&value| value > 0.5).collect::<Vec<bool>>();
        // Classes by name where the estimator knows them.
        let named = |classes: Vec<f64>| match labels {
            Some(labels) => labels.named(&classes),
            None => Ok(Arc::new(Int64Array::from_iter_values(classes.into_iter().map(|class| class as i64))) as ArrayRef),
        };
        Ok(match self {
            Self::Values(_) => values.into_iter().map(|column| Arc::new(Float32Array::from(column)) as ArrayRef).collect(),
            Self::Class(_) => {
                let rows = values.first().map_or(0, Vec::len);
                vec![named((0..rows).map(|row| greatest(&values, row) as f64).collect())?]
            }
            Self::Labels(_) => {
                let labels = |column: &Vec<f32>| {
                    let labels = above(column).into_iter().map(|above| f64::from(u8::from(above)));
                    Arc::new(Float64Array::from_iter_values(labels)) as ArrayRef
                };
                values.iter().map(labels).collect()
            }
            Self::Binary => {
                let column = values.swap_remove(0);
                vec![named(above(&column).into_iter().map(|above| f64::from(u8::from(above))).collect())?]
            }
            Self::Softmax => {
                let column = values.swap_remove(0);
                vec![Arc::new(Int32Array::from_iter_values(column.into_iter().map(|class| class as i32)))]
            }
        })
    }
}
