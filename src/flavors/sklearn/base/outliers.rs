//! Outlier detectors: they predict -1 where the decision is negative, else 1.

use std::{slice, sync::Arc};

use super::{Allow, Estimator, Frame, Labels, Made, Method, Part, View, Work, frame, validate, width};
use crate::{
    error::Result,
    flavors::sklearn::tree::add,
    kernels::{
        BLOCK,
        block::{Block, Kind},
        dense::Affine,
        trees::Ensemble,
    },
};

/// How the decision is made.
#[expect(clippy::large_enum_variant, reason = "there is one a model")]
pub enum Decision {
    /// A linear map.
    Linear(Affine),
    /// The negative squared Mahalanobis distance from a place.
    Distance { place: Vec<f64>, precision: Vec<f64> },
    /// From the mean depth of the row's leaves, divided by the expected depth.
    Depth { trees: Ensemble<f32, f64>, expected: f64 },
}

struct Detector {
    name: String,
    frame: Frame,
    columns: usize,
    allow: Allow,
    decision: Decision,
    offset: f64,
    labels: Labels,
}

pub fn detector(view: View<'_>, allow: Allow, decision: Decision, bytes: usize) -> Made<Estimator> {
    Ok(Arc::new(Detector {
        name: view.name().into(),
        frame: frame(view),
        columns: width(view)?,
        allow,
        decision,
        offset: view.float_of("offset_")?,
        labels: Labels::Ints { values: vec![-1, 1], bytes },
    }))
}

impl Detector {
    fn decide(&self, input: &Block, work: &mut Work, out: &mut Block) {
        match &self.decision {
            Decision::Linear(affine) => affine.apply(input, out),
            Decision::Distance { place, precision } => {
                out.reset(input.rows(), 1, Kind::Double);
                for (row, out) in out.column_mut(0).iter_mut().enumerate() {
                    let away = |column: usize| input.at(row, column) - place[column];
                    let term = |at: usize| away(at / place.len()) * precision[at] * away(at % place.len());
                    *out = -(0..precision.len()).map(term).sum::<f64>();
                }
            }
            Decision::Depth { trees, expected } => {
                out.reset(input.rows(), 1, Kind::Double);
                out.column_mut(0).fill(0.0);
                add(trees, input, &mut work.scratch, out);
                out.map(|depth| -(-(if *expected == 0.0 { 1.0 } else { depth / expected })).exp2());
            }
        }
        let offset = self.offset;
        out.map(|score| score - offset);
    }
}

/// Turns decisions into the numbers of the classes -1 and 1.
pub fn classify(out: &mut Block) {
    out.map(|score| f64::from(u8::from(score >= 0.0)));
    out.set_kind(0, Kind::Class);
}

impl Part for Detector {
    fn has(&self, method: Method) -> bool {
        matches!(method, Method::Predict | Method::Decision)
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate(&self.name, input, self.columns, self.allow)?;
        self.decide(input, work, out);
        if method == Method::Predict {
            classify(out);
        }
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        slice::from_ref(&self.labels)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn rows(&self, _lent: bool) -> usize {
        match &self.decision {
            Decision::Depth { trees, .. } => trees.rows(),
            Decision::Linear(_) | Decision::Distance { .. } => BLOCK,
        }
    }

    fn memory(&self) -> usize {
        match &self.decision {
            Decision::Linear(affine) => affine.memory(),
            Decision::Distance { precision, .. } => precision.len() * 8,
            Decision::Depth { trees, .. } => trees.memory(),
        }
    }
}
