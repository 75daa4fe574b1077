//! `VotingClassifier` and `VotingRegressor`

use super::average::{Mean, averaged};
use crate::{
    error::Result,
    flavors::sklearn::base::{
        Classifier, Classify, Estimator, Made, Method, View, Work, encoded, expect_width, frame_of, labels, members, numbers,
        python,
    },
    kernels::block::{Block, Kind},
};

/// The weights of the estimators that were not dropped; ones where no weights were given.
fn weights(view: View<'_>, count: usize) -> Made<Vec<f64>> {
    let Some(weights) = view.find("weights") else { return Ok(vec![1.0; count]) };
    let entries = view.get("estimators")?.items();
    let kept = entries.iter().map(|entry| entry.items().last().is_none_or(|estimator| estimator.text() != Some("drop")));
    let weights: Vec<f64> = weights.floats()?.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(weight, _)| weight).collect();
    match weights.len() == count {
        true => Ok(weights),
        false => python(format!("{}: not a weight for every estimator", view.name())),
    }
}

struct Voting {
    members: Vec<Estimator>,
    weights: Vec<f64>,
    soft: bool,
    classes: usize,
}

/// `VotingClassifier`
pub fn voting(view: View<'_>) -> Made<Estimator> {
    let members = members(view, "estimators_")?;
    let classes = labels(view)?;
    let (weights, soft) = (weights(view, members.len())?, view.word("voting") == "soft");
    let method = if soft { Method::Proba } else { Method::Predict };
    if members.is_empty() || !encoded(&members, classes.len()) || !members.iter().all(|member| member.has(method)) {
        return python(format!("VotingClassifier: not every estimator has {} here", method.name()));
    }
    let frame = frame_of(view, &members);
    let voting = Voting { members, weights, soft, classes: classes.len() };
    Ok(Classifier::around(view, frame, classes, voting))
}

impl Classify for Voting {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        out.reset_zeros(input.rows(), self.classes, Kind::Double);
        let total: f64 = self.weights.iter().sum();
        for (member, weight) in self.members.iter().zip(&self.weights) {
            let method = if self.soft { Method::Proba } else { Method::Predict };
            let mut made = work.take();
            let run = match self.soft {
                true => member.run(method, input, work, &mut made),
                false => numbers(&**member, input, work, &mut made),
            };
            run.and_then(|()| if self.soft { expect_width("VotingClassifier", &made, self.classes) } else { Ok(()) })?;
            for row in 0..input.rows() {
                if self.soft {
                    for class in 0..self.classes {
                        out.column_mut(class)[row] += made.at(row, class) * weight;
                    }
                } else {
                    out.column_mut(made.at(row, 0) as usize)[row] += weight;
                }
            }
            work.give(made);
        }
        if self.soft {
            out.map(|sum| sum / total);
        }
        Ok(())
    }

    fn has_probabilities(&self) -> bool {
        self.soft
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|member| member.memory()).sum()
    }
}

/// `VotingRegressor`
pub fn average(view: View<'_>) -> Made<Estimator> {
    let members = members(view, "estimators_")?;
    let weights = weights(view, members.len())?;
    let frame = frame_of(view, &members);
    averaged(view, members, Vec::new(), Mean::Weighted(weights), frame)
}
