//! `sklearn.multiclass` and `sklearn.multioutput`: one estimator a class, a pair of classes or an output.

use std::sync::Arc;

use super::{
    common::{Classifier, Classify, frame, labels},
    ensemble::{frame_of, members},
    part::{Frame, Labels, Method, Part, Shared, Work, expect_width},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind},
        dense::{argmax, both, decide, divide_by_sums},
        pairs,
    },
};

/// What an estimator says of its second class.
#[derive(Clone, Copy, PartialEq)]
enum Confidence {
    Decision,
    Probability,
}

impl Confidence {
    fn of(member: &Shared) -> Option<Self> {
        if member.has(Method::Decision) {
            return Some(Self::Decision);
        }
        member.has(Method::Proba).then_some(Self::Probability)
    }

    fn run(self, member: &Shared, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if self == Self::Decision {
            work.run(&**member, Method::Decision, input, out)?;
            return expect_width("a classifier of two", out, 1);
        }
        positive(member, input, work, out)
    }

    /// Where the second class begins.
    fn threshold(self) -> f64 {
        if self == Self::Decision { 0.0 } else { 0.5 }
    }
}

/// The probability of the second class.
fn positive(member: &Shared, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
    work.with(&**member, Method::Proba, input, |_, made| {
        expect_width("a classifier of two", made, 2)?;
        out.reset(made.rows(), 1, Kind::Double);
        out.copy_column(0, made, 1);
        Ok(())
    })
}

/// The confidences of some estimators, a column each.
fn confidences(members: &[(Shared, Confidence)], input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
    out.reset(input.rows(), 0, Kind::Double);
    for (member, confidence) in members {
        let mut made = work.take();
        confidence.run(member, input, work, &mut made)?;
        out.append_column(&made, 0);
        work.give(made);
    }
    Ok(())
}

fn confident(view: View<'_>) -> Made<Vec<(Shared, Confidence)>> {
    let confident = |member: Shared| Some((Confidence::of(&member)?, member)).map(|(confidence, member)| (member, confidence));
    let members: Option<Vec<_>> = members(view, "estimators_")?.into_iter().map(confident).collect();
    let two = |member: &(Shared, Confidence)| matches!(member.0.labels(), [labels] if labels.len() == 2);
    match members.filter(|members| !members.is_empty() && members.iter().all(two)) {
        Some(members) => Ok(members),
        None => python(format!("{}: its estimators are no classifiers of two here", view.name())),
    }
}

struct OneVsRest {
    members: Vec<(Shared, Confidence)>,
}

/// `OneVsRestClassifier`
pub(super) fn one_vs_rest(view: View<'_>) -> Made<Shared> {
    let members = confident(view)?;
    let binarizer = view.get("label_binarizer_")?;
    let classes = labels(binarizer)?;
    let expected = if classes.len() == 2 { 1 } else { classes.len() };
    if members.len() != expected || binarizer.word("y_type_").starts_with("multilabel") {
        return python("OneVsRestClassifier: it gives several labels a row, or a class is alone");
    }
    let shared: Vec<Shared> = members.iter().map(|(member, _)| member.clone()).collect();
    Ok(Classifier::around(view, frame_of(view, &shared), classes, OneVsRest { members }))
}

impl Classify for OneVsRest {
    fn takes_sparse(&self) -> bool {
        self.members.iter().all(|(member, _)| member.takes_sparse())
    }

    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if let [(member, _)] = self.members.as_slice() {
            let mut made = work.take();
            positive(member, input, work, &mut made)?;
            both(&made, out);
            work.give(made);
        } else {
            out.reset(input.rows(), 0, Kind::Double);
            for (member, _) in &self.members {
                let mut made = work.take();
                positive(member, input, work, &mut made)?;
                out.append_column(&made, 0);
                work.give(made);
            }
        }
        divide_by_sums(out);
        Ok(())
    }

    fn decision(&self, input: &Block, work: &mut Work, out: &mut Block) -> Option<Result<()>> {
        Some(confidences(&self.members, input, work, out))
    }

    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut scores = work.take();
        confidences(&self.members, input, work, &mut scores)?;
        if let [(_, confidence)] = self.members.as_slice() {
            scores.map(|score| score - confidence.threshold());
            decide(&scores, out);
        } else {
            out.reset(scores.rows(), 1, Kind::Class);
            for (row, best) in out.column_mut(0).iter_mut().enumerate() {
                // Of equals the last.
                let greater =
                    |best: usize, class: usize| if scores.at(row, class) >= scores.at(row, best) { class } else { best };
                *best = (1..scores.width()).fold(0, greater) as f64;
            }
        }
        work.give(scores);
        Ok(())
    }

    fn has_probabilities(&self) -> bool {
        self.members.iter().all(|(member, _)| member.has(Method::Proba))
    }

    fn has_decision(&self) -> bool {
        self.members.iter().all(|(_, confidence)| *confidence == Confidence::Decision)
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|(member, _)| member.memory()).sum()
    }
}

struct Codes {
    members: Vec<(Shared, Confidence)>,
    /// Class by class what the members should say.
    book: Vec<f64>,
}

/// `OutputCodeClassifier`
pub(super) fn output_codes(view: View<'_>) -> Made<Shared> {
    let (members, classes) = (confident(view)?, labels(view)?);
    let (book, rows, columns) = view.matrix_of("code_book_")?;
    if rows != classes.len() || columns != members.len() {
        return python("OutputCodeClassifier: not a code for every class");
    }
    let shared: Vec<Shared> = members.iter().map(|(member, _)| member.clone()).collect();
    Ok(Classifier::around(view, frame_of(view, &shared), classes, Codes { members, book }))
}

impl Classify for Codes {
    /// How near each class's code is, though no probability.
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut said = work.take();
        confidences(&self.members, input, work, &mut said)?;
        let length = self.members.len();
        out.reset(input.rows(), self.book.len() / length, Kind::Double);
        for (class, code) in self.book.chunks_exact(length).enumerate() {
            let nearness = out.column_mut(class);
            nearness.fill(0.0);
            for (column, place) in said.columns().zip(code) {
                nearness.iter_mut().zip(column).for_each(|(sum, value)| *sum -= (value - place) * (value - place));
            }
        }
        work.give(said);
        Ok(())
    }

    fn has_probabilities(&self) -> bool {
        false
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|(member, _)| member.memory()).sum::<usize>() + self.book.len() * 8
    }
}

struct OneVsOne {
    members: Vec<(Shared, Confidence)>,
    classes: usize,
}

/// `OneVsOneClassifier`
pub(super) fn one_vs_one(view: View<'_>) -> Made<Shared> {
    let (members, classes) = (confident(view)?, labels(view)?);
    let count = classes.len();
    if members.len() != count * (count - 1) / 2 || view.find("pairwise_indices_").is_some() {
        return python("OneVsOneClassifier: not an estimator for every pair of classes");
    }
    let shared: Vec<Shared> = members.iter().map(|(member, _)| member.clone()).collect();
    Ok(Classifier::around(view, frame_of(view, &shared), classes, OneVsOne { members, classes: count }))
}

impl OneVsOne {
    fn scores(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut scores = work.take();
        confidences(&self.members, input, work, &mut scores)?;
        let confidence = self.members[0].1;
        // What a pair predicts is what its confidence is above.
        pairs::votes(&scores, |score| score > confidence.threshold(), self.classes, true, out);
        work.give(scores);
        if self.classes == 2 {
            let mut second = work.take();
            second.reset(out.rows(), 1, Kind::Double);
            second.copy_column(0, out, 1);
            std::mem::swap(out, &mut second);
            work.give(second);
        }
        Ok(())
    }
}

impl Classify for OneVsOne {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.scores(input, work, out)
    }

    fn has_probabilities(&self) -> bool {
        false
    }

    fn has_decision(&self) -> bool {
        true
    }

    fn decision(&self, input: &Block, work: &mut Work, out: &mut Block) -> Option<Result<()>> {
        Some(self.scores(input, work, out))
    }

    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut scores = work.take();
        self.scores(input, work, &mut scores)?;
        if self.classes == 2 {
            let threshold = self.members[0].1.threshold();
            scores.map(|score| score - threshold);
            decide(&scores, out);
        } else {
            argmax(&scores, out);
        }
        work.give(scores);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|(member, _)| member.memory()).sum()
    }
}

/// One estimator an output.
struct Outputs {
    members: Vec<Shared>,
    /// Each sees the answers of those before it, and answers for this output.
    chain: Option<Vec<usize>>,
    labels: Vec<Labels>,
    frame: Frame,
}

/// `MultiOutputRegressor` and `MultiOutputClassifier`
pub(super) fn outputs(view: View<'_>) -> Made<Shared> {
    let members = members(view, "estimators_")?;
    let labels: Vec<Labels> = members.iter().flat_map(|member| member.labels().first().cloned()).collect();
    let classifies = view.name().ends_with("Classifier");
    if members.is_empty() || labels.len() != if classifies { members.len() } else { 0 } {
        return python(format!("{}: its estimators are of another kind", view.name()));
    }
    let frame = frame_of(view, &members);
    Ok(Arc::new(Outputs { members, chain: None, labels, frame }))
}

/// `RegressorChain`
pub(super) fn chain(view: View<'_>) -> Made<Shared> {
    let members = members(view, "estimators_")?;
    let order: Vec<usize> = view.floats_of("order_")?.into_iter().map(|output| output as usize).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    let regress = members.iter().all(|member| member.has(Method::Predict) && member.labels().is_empty());
    if !regress || !sorted.into_iter().eq(0..members.len()) {
        return python("RegressorChain: its estimators and order do not fit together");
    }
    Ok(Arc::new(Outputs { members, chain: Some(order), labels: Vec::new(), frame: frame(view) }))
}

impl Part for Outputs {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if let (Some(_), Some(count)) = (&self.chain, self.frame.count) {
            expect_width("RegressorChain", input, count)?;
        }
        let (mut seen, mut made) = (work.take(), work.take());
        seen.reset(input.rows(), input.width(), Kind::Double);
        seen.copy(0, input);
        out.reset(input.rows(), self.members.len(), Kind::Double);
        for (at, member) in self.members.iter().enumerate() {
            let run = member.run(Method::Predict, &seen, work, &mut made);
            run.and_then(|()| expect_width("an output", &made, 1))?;
            match &self.chain {
                Some(order) => {
                    seen.append_column(&made, 0);
                    out.copy_column(order[at], &made, 0);
                }
                None => out.copy_column(at, &made, 0),
            }
        }
        work.give(seen);
        work.give(made);
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|member| member.memory()).sum()
    }
}
