//! Detectors of outliers: -1 where the decision is negative, else 1.

use std::{slice, sync::Arc};

use super::{
    common::{frame, width},
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, validate},
    tree::{Trees, add},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        BLOCK,
        block::{Block, Kind},
        dense::Affine,
        trees::Ensemble,
    },
};

/// How the decision is made.
#[expect(clippy::large_enum_variant, reason = "there is one a model")]
enum Decision {
    /// A linear map.
    Linear(Affine),
    /// The squared distance to a place, by a matrix, is taken off.
    Distance { place: Vec<f64>, precision: Vec<f64> },
    /// How deep trees let a row fall, over what is expected.
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

fn detector(view: View<'_>, allow: Allow, decision: Decision, bytes: usize) -> Made<Shared> {
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

/// `SGDOneClassSVM`
pub(super) fn stochastic(view: View<'_>) -> Made<Shared> {
    match Affine::new(width(view)?, view.floats_of("coef_")?, vec![0.0], view.is_single("coef_")) {
        Some(affine) => detector(view, Allow::Finite, Decision::Linear(affine), 4),
        None => python("SGDOneClassSVM: its weights do not fit its columns"),
    }
}

/// `EllipticEnvelope`
pub(super) fn elliptic(view: View<'_>) -> Made<Shared> {
    let (place, precision) = (view.floats_of("location_")?, view.floats_of("precision_")?);
    match place.len() == width(view)? && precision.len() == place.len() * place.len() {
        true => detector(view, Allow::Finite, Decision::Distance { place, precision }, 8),
        false => python("EllipticEnvelope: its attributes do not fit together"),
    }
}

/// The mean depth of a tree of so many rows.
fn mean_depth(rows: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    if rows <= 1.0 {
        return 0.0;
    }
    if rows == 2.0 { 1.0 } else { 2.0 * ((rows - 1.0).ln() + EULER) - 2.0 * (rows - 1.0) / rows }
}

/// `IsolationForest`, of all columns.
pub(super) fn isolation(view: View<'_>) -> Made<Shared> {
    let columns = width(view)?;
    if view.count_of("_max_features")? != columns {
        return python("IsolationForest: its trees see some of the columns");
    }
    let estimators = view.get("estimators_")?.items();
    let (means, paths) = (view.get("_average_path_length_per_tree")?.items(), view.get("_decision_path_lengths")?.items());
    if means.len() != estimators.len() || paths.len() != estimators.len() {
        return python("IsolationForest: not depths for every tree");
    }
    let mut trees = Trees::new(0);
    for (at, estimator) in estimators.iter().enumerate() {
        let (mean, path) = (means[at].floats()?, paths[at].floats()?);
        trees.push(estimator.get("tree_")?, 0, |node, _, leaf| {
            leaf.extend(path.get(node).zip(mean.get(node)).map(|(path, mean)| path + mean - 1.0));
        })?;
    }
    if trees.width != 1 {
        return python("IsolationForest: not a depth for every node");
    }
    let trees = trees.ensemble(columns)?;
    let expected = estimators.len() as f64 * mean_depth(view.float_of("_max_samples")?);
    let allow = if view.version() >= (1, 6) { Allow::All } else { Allow::Finite };
    detector(view, allow, Decision::Depth { trees, expected }, 8)
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

/// Decisions become classes of the labels -1 and 1.
pub(super) fn classify(out: &mut Block) {
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
