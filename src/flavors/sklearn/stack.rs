//! `AdaBoostClassifier` and stacking, of `sklearn.ensemble`.

use std::sync::Arc;

use super::{
    common::{Classifier, Classify, labels},
    ensemble::{encoded, frame_of, members, numbers},
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, validate},
    registry::build,
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind},
        dense::{decide, softmax},
    },
};

/// Votes of boosted classifiers.
struct Boosted {
    members: Vec<Shared>,
    weights: Vec<f64>,
    /// For each member, which class each of its own is.
    places: Vec<Vec<usize>>,
    classes: usize,
    /// Votes for a class count against the others, since 1.3.1.
    against: bool,
    /// Probabilities are made of the votes, since 0.22.
    probable: bool,
}

/// `AdaBoostClassifier`
pub(super) fn boosted(view: View<'_>) -> Made<Shared> {
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
    let boosted = Boosted { members, weights, places, classes: classes.len(), against, probable };
    Ok(Classifier::around(view, frame, classes, boosted))
}

impl Boosted {
    fn votes(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        // Whatever its trees take; they know how many columns there are.
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

impl Classify for Boosted {
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

/// Estimators whose answers are the columns of a last one.
struct Stack {
    members: Vec<(Shared, Method)>,
    last: Shared,
    passthrough: bool,
    labels: Vec<Labels>,
    frame: Frame,
}

/// `StackingClassifier` and `StackingRegressor`
pub(super) fn stacked(view: View<'_>) -> Made<Shared> {
    let members = members(view, "estimators_")?;
    let methods: Vec<Option<Method>> =
        view.get("stack_method_")?.items().into_iter().map(|method| Method::from_name(method.text()?)).collect();
    // Methods of estimators that are left out are not among them, from 1.2 on.
    let last = build(view.get("final_estimator_")?)?;
    let labels = if view.name().ends_with("Classifier") { vec![labels(view)?] } else { Vec::new() };
    let paired: Option<Vec<(Shared, Method)>> =
        members.iter().cloned().zip(methods.iter().copied()).map(|(m, n)| Some((m, n?))).collect();
    let fits =
        methods.len() == members.len() && labels.first().is_none_or(|labels| encoded(std::slice::from_ref(&last), labels.len()));
    let frame = frame_of(view, &members);
    match paired.filter(|paired| fits && paired.iter().all(|(member, method)| member.has(*method))) {
        Some(members) => Ok(Arc::new(Stack { members, last, passthrough: view.flag("passthrough"), labels, frame })),
        None => python(format!("{}: not every estimator has its method here", view.name())),
    }
}

impl Part for Stack {
    fn has(&self, method: Method) -> bool {
        !matches!(method, Method::Transform | Method::LogProba) && self.last.has(method)
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut columns = work.take();
        columns.reset(input.rows(), 0, Kind::Double);
        for (member, with) in &self.members {
            let mut made = work.take();
            match with {
                Method::Predict => numbers(&**member, input, work, &mut made)?,
                _ => member.run(*with, input, work, &mut made)?,
            }
            // Of two probabilities the first says nothing more.
            let first = usize::from(*with == Method::Proba && made.width() == 2);
            for column in first..made.width() {
                columns.append_column(&made, column);
            }
            work.give(made);
        }
        if self.passthrough {
            columns.append(input);
        }
        let made = self.last.run(method, &columns, work, out);
        work.give(columns);
        made?;
        if let (Some(own), Kind::Class) = (self.last.labels().first(), out.kind()) {
            out.column_mut(0).iter_mut().for_each(|class| *class = own.number(*class as usize));
        }
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|(member, _)| member.memory()).sum::<usize>() + self.last.memory()
    }
}
