//! Estimators that vote or average, of `sklearn.ensemble`.

use std::sync::Arc;

use super::{
    common::{Classifier, Classify, frame, labels, width},
    part::{Allow, Frame, Method, Part, Shared, Work, expect_width, validate},
    registry::build,
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::block::{Block, Kind},
};

/// Estimators by a list attribute.
pub(super) fn members(view: View<'_>, name: &str) -> Made<Vec<Shared>> {
    view.get(name)?.items().into_iter().map(build).collect()
}

/// The weights of the estimators that are not left out; ones where there are none.
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

/// The frame of an estimator that leaves its columns to its members.
pub(super) fn frame_of(view: View<'_>, members: &[Shared]) -> Frame {
    let own = frame(view);
    match members.first() {
        Some(first) if own.count.is_none() || own.names.is_none() => first.frame(),
        Some(first) => Frame { needed: first.frame().needed, ..own },
        None => own,
    }
}

/// `predict` as numbers: whole numbers that classes are called by, or a regressor's values.
pub(super) fn numbers(part: &dyn Part, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
    part.run(Method::Predict, input, work, out)?;
    if let (Some(labels), Kind::Class) = (part.labels().first(), out.kind()) {
        for column in 0..out.width() {
            out.set_kind(column, Kind::Double);
            for value in out.column_mut(column) {
                *value = labels.number(*value as usize);
            }
        }
    }
    Ok(())
}

/// Whether the members' classes are whole numbers from zero, as an encoder made them.
pub(super) fn encoded(members: &[Shared], classes: usize) -> bool {
    members.iter().all(|member| match member.labels() {
        [labels] => {
            (0..labels.len()).all(|at| labels.number(at) == labels.number(at).trunc() && labels.number(at) < classes as f64)
        }
        _ => false,
    })
}

struct Voting {
    members: Vec<Shared>,
    weights: Vec<f64>,
    soft: bool,
    classes: usize,
}

/// `VotingClassifier`
pub(super) fn voting(view: View<'_>) -> Made<Shared> {
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

/// How regressors become one.
enum Mean {
    /// The sum of each times its weight, over the sum of the weights.
    Weighted(Vec<f64>),
    /// The median by weight.
    Median(Vec<f64>),
}

struct Average {
    members: Vec<Shared>,
    /// The columns each takes; all where there are none.
    columns: Vec<Vec<usize>>,
    mean: Mean,
    frame: Frame,
}

/// `VotingRegressor`
pub(super) fn average(view: View<'_>) -> Made<Shared> {
    let members = members(view, "estimators_")?;
    let weights = weights(view, members.len())?;
    let frame = frame_of(view, &members);
    averaged(view, members, Vec::new(), Mean::Weighted(weights), frame)
}

/// `BaggingRegressor`
pub(super) fn bagged_regressor(view: View<'_>) -> Made<Shared> {
    let members = members(view, "estimators_")?;
    let columns = bagged_columns(view, members.len())?;
    let weights = vec![1.0; members.len()];
    // Its members see some of the columns only.
    averaged(view, members, columns, Mean::Weighted(weights), frame(view))
}

/// `AdaBoostRegressor`
pub(super) fn boosted_regressor(view: View<'_>) -> Made<Shared> {
    let members = members(view, "estimators_")?;
    let mut weights = view.floats_of("estimator_weights_")?;
    weights.truncate(members.len());
    let frame = frame_of(view, &members);
    averaged(view, members, Vec::new(), Mean::Median(weights), frame)
}

fn averaged(view: View<'_>, members: Vec<Shared>, columns: Vec<Vec<usize>>, mean: Mean, frame: Frame) -> Made<Shared> {
    let count = match &mean {
        Mean::Weighted(weights) | Mean::Median(weights) => weights.len(),
    };
    let regress = members.iter().all(|member| member.has(Method::Predict) && member.labels().is_empty());
    if members.is_empty() || count != members.len() || !regress {
        return python(format!("{}: its estimators are no regressors here", view.name()));
    }
    Ok(Arc::new(Average { members, columns, mean, frame }))
}

impl Part for Average {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if matches!(self.mean, Mean::Median(_)) {
            // Whatever its trees take; they know how many columns there are.
            validate("AdaBoostRegressor", input, input.width(), Allow::Finite)?;
        }
        let rows = input.rows();
        let mut all = work.take();
        all.reset(rows, self.members.len(), Kind::Double);
        for (at, member) in self.members.iter().enumerate() {
            let mut made = work.take();
            on_columns(&**member, Method::Predict, self.columns.get(at), input, work, &mut made)?;
            expect_width("the average", &made, 1)?;
            all.copy_column(at, &made, 0);
            work.give(made);
        }
        out.reset(rows, 1, Kind::Double);
        match &self.mean {
            Mean::Weighted(weights) => {
                let total: f64 = weights.iter().sum();
                for row in 0..rows {
                    let sum: f64 = weights.iter().enumerate().map(|(at, weight)| all.at(row, at) * weight).sum();
                    out.column_mut(0)[row] = sum / total;
                }
            }
            Mean::Median(weights) => {
                let mut order: Vec<usize> = (0..self.members.len()).collect();
                for row in 0..rows {
                    order.sort_by(|&a, &b| all.at(row, a).total_cmp(&all.at(row, b)).then(a.cmp(&b)));
                    let total: f64 = order.iter().map(|&at| weights[at]).sum();
                    let mut sum = 0.0;
                    let reached = order.iter().find(|&&at| {
                        sum += weights[at];
                        sum >= 0.5 * total
                    });
                    out.column_mut(0)[row] = all.at(row, reached.copied().unwrap_or(order[0]));
                }
            }
        }
        work.give(all);
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|member| member.memory()).sum()
    }
}

/// The columns each estimator of a bag was fitted on.
fn bagged_columns(view: View<'_>, count: usize) -> Made<Vec<Vec<usize>>> {
    let total = width(view)?;
    let columns = |columns: View<'_>| {
        let numbers = columns.floats()?;
        match numbers.iter().all(|&column| column >= 0.0 && column < total as f64) {
            true => Ok(numbers.into_iter().map(|column| column as usize).collect()),
            false => columns.wrong("columns"),
        }
    };
    let columns: Vec<Vec<usize>> = view.get("estimators_features_")?.items().into_iter().map(columns).collect::<Made<_>>()?;
    match columns.len() == count {
        true => Ok(columns),
        false => python(format!("{}: not columns for every estimator", view.name())),
    }
}

/// Runs an estimator over some of the columns.
fn on_columns(
    part: &dyn Part,
    method: Method,
    columns: Option<&Vec<usize>>,
    input: &Block,
    work: &mut Work,
    out: &mut Block,
) -> Result<()> {
    let Some(columns) = columns else { return part.run(method, input, work, out) };
    let last = columns.iter().copied().max().unwrap_or(0);
    if last >= input.width() {
        return expect_width("the bag", input, last + 1);
    }
    let mut chosen = work.take();
    chosen.reset(input.rows(), columns.len(), Kind::Double);
    for (to, &column) in columns.iter().enumerate() {
        chosen.copy_column(to, input, column);
    }
    let made = part.run(method, &chosen, work, out);
    work.give(chosen);
    made
}

struct Bag {
    members: Vec<Shared>,
    columns: Vec<Vec<usize>>,
    width: usize,
    classes: usize,
}

/// `BaggingClassifier`
pub(super) fn bagged(view: View<'_>) -> Made<Shared> {
    let members = members(view, "estimators_")?;
    let classes = labels(view)?;
    let columns = bagged_columns(view, members.len())?;
    let all = |member: &Shared| member.has(Method::Proba) && matches!(member.labels(), [labels] if labels.len() == classes.len());
    if members.is_empty() || !encoded(&members, classes.len()) || !members.iter().all(all) {
        return python("BaggingClassifier: its estimators have no probabilities here, or not of every class");
    }
    let bag = Bag { members, columns, width: width(view)?, classes: classes.len() };
    Ok(Classifier::around(view, frame(view), classes, bag))
}

impl Classify for Bag {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate("BaggingClassifier", input, self.width, Allow::All)?;
        out.reset_zeros(input.rows(), self.classes, Kind::Double);
        for (member, columns) in self.members.iter().zip(&self.columns) {
            let mut made = work.take();
            on_columns(&**member, Method::Proba, Some(columns), input, work, &mut made)?;
            for class in 0..self.classes {
                out.column_mut(class).iter_mut().zip(made.column(class)).for_each(|(sum, value)| *sum += value);
            }
            work.give(made);
        }
        let count = self.members.len() as f64;
        out.map(|sum| sum / count);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|member| member.memory()).sum()
    }
}
