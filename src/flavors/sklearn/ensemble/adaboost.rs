//! `AdaBoostClassifier` and `AdaBoostRegressor`

use super::average::{Mean, averaged};
use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Classifier, Classify, Estimator, Made, Method, View, Work, frame_of, labels, members, python, validate,
    },
    kernels::{
        block::{Block, Kind},
        dense::{decide, softmax},
    },
};

/// Votes of boosted classifiers.
struct AdaBoost {
    members: Vec<Estimator>,
    weights: Vec<f64>,
    /// For each member, the number of each of its classes among the classes of the whole.
    places: Vec<Vec<usize>>,
    classes: usize,
    /// Whether a vote for a class also counts against the others, as since 1.3.1.
    against: bool,
    /// Whether there are probabilities, which are computed from the votes since 0.22.
    probable: bool,
}

/// `AdaBoostClassifier`
pub fn boosted(view: View<'_>) -> Made<Estimator> {
    if view.word("algorithm") == "SAMME.R" {
        return python("AdaBoostClassifier: algorithm 'SAMME.R'");
    }
    let members = members(view, "estimators_")?;
    let classes = labels(view)?;
    let mut weights = view.floats_of("estimator_weights_")?;
    weights.truncate(members.len());
    let places: Option<Vec<Vec<usize>>> = members.iter().map(|member| member.labels().first()?.places_in(&classes)).collect();
    let Some(places) = places.filter(|_| weights.len() == members.len() && !members.is_empty()) else {
        return python("AdaBoostClassifier: its estimators' classes are not its own");
    };
    if classes.len() < 2 {
        return python("AdaBoostClassifier: it knows one class only");
    }
    let frame = frame_of(view, &members);
    let (against, probable) = (view.release() >= [1, 3, 1], view.release() >= [0, 22, 0]);
    let boosted = AdaBoost { members, weights, places, classes: classes.len(), against, probable };
    Ok(Classifier::around(view, frame, classes, boosted))
}

impl AdaBoost {
    fn votes(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        // Missing values are refused even if the trees take them. The trees check the number of columns.
        validate("AdaBoostClassifier", input, input.width(), Allow::Finite)?;
        out.reset_zeros(input.rows(), self.classes, Kind::Double);
        for ((member, &weight), places) in self.members.iter().zip(&self.weights).zip(&self.places) {
            let mut made = work.take();
            member.run(Method::Predict, input, work, &mut made)?;
            let against = if self.against { -1.0 / (self.classes - 1) as f64 * weight } else { 0.0 };
            for class in 0..self.classes {
                for (sum, &vote) in out.column_mut(class).iter_mut().zip(made.column(0)) {
                    *sum += if places[vote as usize] == class { weight } else { against };
                }
            }
            work.give(made);
        }
        let total: f64 = self.weights.iter().sum();
        out.map(|sum| sum / total);
        if self.classes == 2 {
            let mut votes = work.take();
            votes.reset(out.rows(), 1, Kind::Double);
            for row in 0..out.rows() {
                votes.column_mut(0)[row] = -out.at(row, 0) + out.at(row, 1);
            }
            std::mem::swap(out, &mut votes);
            work.give(votes);
        }
        Ok(())
    }
}

impl Classify for AdaBoost {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut votes = work.take();
        self.votes(input, work, &mut votes)?;
        out.reset(votes.rows(), self.classes, Kind::Double);
        if self.classes == 2 {
            for row in 0..votes.rows() {
                out.column_mut(0)[row] = -votes.at(row, 0) / 2.0;
                out.column_mut(1)[row] = votes.at(row, 0) / 2.0;
            }
        } else {
            out.copy(0, &votes);
            let others = (self.classes - 1) as f64;
            out.map(|vote| vote / others);
        }
        softmax(out);
        work.give(votes);
        Ok(())
    }

    fn decision(&self, input: &Block, work: &mut Work, out: &mut Block) -> Option<Result<()>> {
        Some(self.votes(input, work, out))
    }

    fn has_probabilities(&self) -> bool {
        self.probable
    }

    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut votes = work.take();
        self.votes(input, work, &mut votes)?;
        decide(&votes, out);
        work.give(votes);
        Ok(())
    }

    fn has_decision(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|member| member.memory()).sum()
    }
}

/// `AdaBoostRegressor`
pub fn boosted_regressor(view: View<'_>) -> Made<Estimator> {
    let members = members(view, "estimators_")?;
    let mut weights = view.floats_of("estimator_weights_")?;
    weights.truncate(members.len());
    let frame = frame_of(view, &members);
    averaged(view, members, Vec::new(), Mean::Median(weights), frame)
}
