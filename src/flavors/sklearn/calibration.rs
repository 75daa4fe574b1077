//! `sklearn.calibration`

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Classifier, Classify, Estimator, Labels, Made, Method, View, Work, expect_width, frame_of, labels, python},
        isotonic::{Line, line},
        registry::build,
    },
    kernels::{
        block::{Block, Kind},
        dense::expit,
    },
};

/// A function from scores to probabilities.
enum Calibrator {
    Sigmoid(f64, f64),
    Isotonic(Line),
}

/// A classifier with a calibrator for each class, or for the second of two.
struct Calibrated {
    member: Estimator,
    method: Method,
    calibrators: Vec<(usize, Calibrator)>,
}

struct Calibration {
    members: Vec<Calibrated>,
    classes: usize,
}

/// `CalibratedClassifierCV`
pub fn calibration(view: View<'_>) -> Made<Estimator> {
    let classes = labels(view)?;
    let of = |entry: View<'_>| calibrated(entry, &classes);
    let members = view.get("calibrated_classifiers_")?.items().into_iter().map(of).collect::<Made<Vec<_>>>()?;
    if members.is_empty() {
        return python("CalibratedClassifierCV: it has no classifiers");
    }
    let shared: Vec<Estimator> = members.iter().map(|calibrated| calibrated.member.clone()).collect();
    let frame = frame_of(view, &shared);
    let calibration = Calibration { members, classes: classes.len() };
    Ok(Classifier::around(view, frame, classes, calibration))
}

fn calibrated(view: View<'_>, classes: &Labels) -> Made<Calibrated> {
    // The attribute had another name before 1.2.
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
            // With two classes it is the second probability that was calibrated.
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
