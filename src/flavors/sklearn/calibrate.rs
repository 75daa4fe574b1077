//! `sklearn.isotonic` and `sklearn.calibration`

use std::sync::Arc;

use super::{
    common::{Classifier, Classify, frame, labels},
    ensemble::frame_of,
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, expect_width, out_of_range, validate},
    registry::build,
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind},
        dense::expit,
    },
};

/// A line through points, left to right.
struct Line {
    x: Vec<f64>,
    y: Vec<f64>,
    /// What lies outside gives the nearest point's answer, else NaN or an error.
    clips: bool,
    refuses: bool,
}

fn line(view: View<'_>) -> Made<Line> {
    let (x, y) = (view.floats_of("X_thresholds_")?, view.floats_of("y_thresholds_")?);
    if x.is_empty() || x.len() != y.len() || !x.is_sorted() {
        return python("IsotonicRegression: its points are no line");
    }
    let outside = view.word("out_of_bounds");
    Ok(Line { x, y, clips: outside == "clip", refuses: outside == "raise" })
}

impl Line {
    fn at(&self, value: f64) -> f64 {
        let (first, last) = (self.x[0], self.x[self.x.len() - 1]);
        if !self.clips && !(first..=last).contains(&value) {
            return f64::NAN;
        }
        let value = value.clamp(first, last);
        if self.x.len() == 1 {
            return self.y[0];
        }
        let above = self.x.partition_point(|&x| x < value).clamp(1, self.x.len() - 1);
        let (x0, x1, y0, y1) = (self.x[above - 1], self.x[above], self.y[above - 1], self.y[above]);
        let slope = (y1 - y0) / (x1 - x0);
        slope * (value - x0) + y0
    }
}

struct Isotonic {
    line: Line,
    frame: Frame,
}

/// `IsotonicRegression`
pub(super) fn isotonic(view: View<'_>) -> Made<Shared> {
    let frame = Frame { count: Some(1), ..frame(view) };
    Ok(Arc::new(Isotonic { line: line(view)?, frame }))
}

impl Part for Isotonic {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        validate("IsotonicRegression", input, 1, Allow::Finite)?;
        out.reset(input.rows(), 1, Kind::Double);
        for (row, (out, &value)) in out.column_mut(0).iter_mut().zip(input.column(0)).enumerate() {
            *out = self.line.at(value);
            if self.line.refuses && out.is_nan() {
                let message = "a value is outside the range that the model was fitted on";
                return Err(out_of_range(message, row));
            }
        }
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.line.x.len() * 16
    }
}

/// What makes a probability of a score.
enum Calibrator {
    Sigmoid(f64, f64),
    Isotonic(Line),
}

/// A classifier with a calibrator for each class, or for the second of two.
struct Calibrated {
    member: Shared,
    method: Method,
    calibrators: Vec<(usize, Calibrator)>,
}

struct Calibration {
    members: Vec<Calibrated>,
    classes: usize,
}

/// `CalibratedClassifierCV`
pub(super) fn calibration(view: View<'_>) -> Made<Shared> {
    let classes = labels(view)?;
    let of = |entry: View<'_>| calibrated(entry, &classes);
    let members = view.get("calibrated_classifiers_")?.items().into_iter().map(of).collect::<Made<Vec<_>>>()?;
    if members.is_empty() {
        return python("CalibratedClassifierCV: it has no classifiers");
    }
    let shared: Vec<Shared> = members.iter().map(|calibrated| calibrated.member.clone()).collect();
    let frame = frame_of(view, &shared);
    let calibration = Calibration { members, classes: classes.len() };
    Ok(Classifier::around(view, frame, classes, calibration))
}

fn calibrated(view: View<'_>, classes: &Labels) -> Made<Calibrated> {
    // It was called otherwise before 1.2.
    let member = build(view.find("estimator").map_or_else(|| view.get("base_estimator"), Ok)?)?;
    let method = if member.has(Method::Decision) { Method::Decision } else { Method::Proba };
    let places = member.labels().first().and_then(|labels| labels.places_in(classes));
    let (Some(places), true) = (places, member.has(method)) else {
        return python("CalibratedClassifierCV: its classifier has no scores here");
    };
    let one = |calibrator: View<'_>| match calibrator.name() {
        "_SigmoidCalibration" => Ok(Calibrator::Sigmoid(calibrator.float_of("a_")?, calibrator.float_of("b_")?)),
        "IsotonicRegression" => Ok(Calibrator::Isotonic(line(calibrator)?)),
        other => python(format!("CalibratedClassifierCV: {other}")),
    };
    let calibrators = view.get("calibrators")?.items().into_iter().map(one).collect::<Made<Vec<_>>>()?;
    let targets: Vec<usize> = if classes.len() == 2 { vec![1] } else { places };
    match calibrators.len() == targets.len() {
        true => Ok(Calibrated { member, method, calibrators: targets.into_iter().zip(calibrators).collect() }),
        false => python("CalibratedClassifierCV: not a calibrator for every class"),
    }
}

impl Classify for Calibration {
    fn takes_sparse(&self) -> bool {
        self.members.iter().all(|calibrated| calibrated.member.takes_sparse())
    }

    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        out.reset_zeros(input.rows(), self.classes, Kind::Double);
        let (mut scores, mut made) = (work.take(), work.take());
        for calibrated in &self.members {
            work.run(&*calibrated.member, calibrated.method, input, &mut scores)?;
            // Of two probabilities the second is what was calibrated.
            let first = usize::from(self.classes == 2 && scores.width() == 2);
            expect_width("CalibratedClassifierCV", &scores, first + calibrated.calibrators.len())?;
            made.reset_zeros(input.rows(), self.classes, Kind::Double);
            for (at, (class, calibrator)) in calibrated.calibrators.iter().enumerate() {
                for (out, &score) in made.column_mut(*class).iter_mut().zip(scores.column(first + at)) {
                    *out = match calibrator {
                        Calibrator::Sigmoid(a, b) => expit(-(a * score + b)),
                        Calibrator::Isotonic(line) => line.at(score),
                    };
                }
            }
            for row in 0..input.rows() {
                let sum: f64 = (0..self.classes).map(|class| made.at(row, class)).sum();
                for class in 0..self.classes {
                    let value = match self.classes {
                        2 if class == 0 => 1.0 - made.at(row, 1),
                        2 => made.at(row, 1),
                        _ if sum == 0.0 => 1.0 / self.classes as f64,
                        _ => made.at(row, class) / sum,
                    };
                    out.column_mut(class)[row] += if value > 1.0 && value <= 1.0 + 1e-5 { 1.0 } else { value };
                }
            }
        }
        work.give(scores);
        work.give(made);
        let count = self.members.len() as f64;
        out.map(|sum| sum / count);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|calibrated| calibrated.member.memory()).sum()
    }
}
