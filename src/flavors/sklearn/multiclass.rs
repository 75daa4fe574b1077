//! `sklearn.multiclass`: one estimator a class or a pair of classes.

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::base::{
        Classifier, Classify, Estimator, Frame, Labels, Made, Method, Part, View, Work, expect_width, frame, frame_of, labels,
        members, python,
    },
    kernels::{
        block::{Block, Kind},
        dense::{argmax, both, decide, divide_by_sums},
        pairs,
    },
};

/// Which answer of a binary classifier is its score for the second class.
#[derive(Clone, Copy, PartialEq)]
enum Confidence {
    Decision,
    Probability,
}

impl Confidence {
    fn of(member: &Estimator) -> Option<Self> {
        if member.has(Method::Decision) {
            return Some(Self::Decision);
        }
        member.has(Method::Proba).then_some(Self::Probability)
    }

    fn run(self, member: &Estimator, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if self == Self::Decision {
            work.run(&**member, Method::Decision, input, out)?;
            return expect_width("a classifier of two", out, 1);
        }
        positive(member, input, work, out)
    }

    /// The score above which the second class is predicted.
    fn threshold(self) -> f64 {
        if self == Self::Decision { 0.0 } else { 0.5 }
    }
}

/// The probability of the second class.
fn positive(member: &Estimator, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
    work.with(&**member, Method::Proba, input, |_, made| {
        expect_width("a classifier of two", made, 2)?;
        out.reset(made.rows(), 1, Kind::Double);
        out.copy_column(0, made, 1);
        Ok(())
    })
}

/// The scores of some binary classifiers, one column for each.
fn confidences(members: &[(Estimator, Confidence)], input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
    out.reset(input.rows(), 0, Kind::Double);
    for (member, confidence) in members {
        let mut made = work.take();
        confidence.run(member, input, work, &mut made)?;
        out.append_column(&made, 0);
        work.give(made);
    }
    Ok(())
}

fn confident(view: View<'_>) -> Made<Vec<(Estimator, Confidence)>> {
    let confident = |member: Estimator| Some((Confidence::of(&member)?, member)).map(|(confidence, member)| (member, confidence));
    let members: Option<Vec<_>> = members(view, "estimators_")?.into_iter().map(confident).collect();
    let two = |member: &(Estimator, Confidence)| matches!(member.0.labels(), [labels] if labels.len() == 2);
    match members.filter(|members| !members.is_empty() && members.iter().all(two)) {
        Some(members) => Ok(members),
        None => python(format!("{}: its estimators are no classifiers of two here", view.name())),
    }
}

struct OneVsRest {
    members: Vec<(Estimator, Confidence)>,
}

/// `OneVsRestClassifier`
pub fn one_vs_rest(view: View<'_>) -> Made<Estimator> {
    let members = confident(view)?;
    let binarizer = view.get("label_binarizer_")?;
    let classes = labels(binarizer)?;
    let expected = if classes.len() == 2 { 1 } else { classes.len() };
    if members.len() != expected || binarizer.word("y_type_").starts_with("multilabel") {
        return python("OneVsRestClassifier: it gives several labels a row, or a class is alone");
    }
    let shared: Vec<Estimator> = members.iter().map(|(member, _)| member.clone()).collect();
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
                // The last of equal scores wins.
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
    members: Vec<(Estimator, Confidence)>,
    /// The code of each class: for each member the score it should give, class by class.
    book: Vec<f64>,
}

/// `OutputCodeClassifier`
pub fn output_codes(view: View<'_>) -> Made<Estimator> {
    let (members, classes) = (confident(view)?, labels(view)?);
    let (book, rows, columns) = view.matrix_of("code_book_")?;
    if rows != classes.len() || columns != members.len() {
        return python("OutputCodeClassifier: not a code for every class");
    }
    let shared: Vec<Estimator> = members.iter().map(|(member, _)| member.clone()).collect();
    Ok(Classifier::around(view, frame_of(view, &shared), classes, Codes { members, book }))
}

impl Classify for Codes {
    /// The negative squared distance from each class's code, which is not a probability but orders the classes.
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
    members: Vec<(Estimator, Confidence)>,
    classes: usize,
}

/// `OneVsOneClassifier`
pub fn one_vs_one(view: View<'_>) -> Made<Estimator> {
    let (members, classes) = (confident(view)?, labels(view)?);
    let count = classes.len();
    if members.len() != count * (count - 1) / 2 || view.find("pairwise_indices_").is_some() {
        return python("OneVsOneClassifier: not an estimator for every pair of classes");
    }
    let shared: Vec<Estimator> = members.iter().map(|(member, _)| member.clone()).collect();
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

/// Predicts the same of two classes for every row, with its number as the decision.
struct Certain {
    frame: Frame,
    number: f64,
    labels: Labels,
}

/// What `OneVsRestClassifier` and `OutputCodeClassifier` hold for a split with one class alone.
pub fn certain(view: View<'_>) -> Made<Estimator> {
    let number = view.float_of("y_")?;
    let labels = Labels::Ints { values: vec![0, 1], bytes: 8 };
    Ok(Arc::new(Certain { frame: frame(view), number, labels }))
}

impl Part for Certain {
    fn has(&self, method: Method) -> bool {
        matches!(method, Method::Predict | Method::Decision | Method::Proba)
    }

    fn run(&self, method: Method, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        let (values, kind) = match method {
            Method::Proba => (&[1.0 - self.number, self.number][..], Kind::Double),
            Method::Decision => (&[self.number][..], Kind::Double),
            _ => (&[f64::from(u8::from(self.number > 0.0))][..], Kind::Class),
        };
        out.reset(input.rows(), values.len(), kind);
        values.iter().enumerate().for_each(|(column, value)| out.column_mut(column).fill(*value));
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        std::slice::from_ref(&self.labels)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        size_of::<Self>()
    }
}
