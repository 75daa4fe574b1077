//! `sklearn.svm`

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Classifier, Classify, Estimator, Labels, Made, View, Work, frame,
        kernel_machine::{Kernel, KernelMachine, KernelModel},
        labels, python, width,
    },
    kernels::{block::Block, dense::argmax, pairs},
};

fn likeness(view: View<'_>) -> Made<Kernel> {
    let (gamma, offset) = (view.float_of("_gamma")?, view.float_of("coef0")?);
    Ok(match view.word("kernel") {
        "linear" => Kernel::Linear,
        "rbf" => Kernel::Radial { gamma },
        "sigmoid" => Kernel::Sigmoid { gamma, offset },
        "poly" => match view.float_of("degree")? {
            degree if degree.fract() == 0.0 && (0.0..1000.0).contains(&degree) => {
                Kernel::Polynomial { gamma, degree: degree as i32, offset }
            }
            degree => return python(format!("{}: degree {degree}", view.name())),
        },
        other => return python(format!("{}: kernel '{other}'", view.name())),
    })
}

/// The support vectors of a classifier with `classes` classes, with one output for each pair of them; or of a regressor, with one
/// output.
fn machine(view: View<'_>, classes: Option<usize>) -> Made<KernelMachine> {
    let columns = width(view)?;
    let (vectors, count, found) = view.matrix_of("support_vectors_")?;
    let (coefficients, rows, of) = view.matrix_of("_dual_coef_")?;
    let offsets = view.floats_of("_intercept_")?;
    let expected = classes.map_or((1, 1), |classes| (classes - 1, classes * (classes - 1) / 2));
    if found != columns || of != count || (rows, offsets.len()) != expected {
        return python(format!("{}: its vectors and coefficients do not fit together", view.name()));
    }
    let mut terms = vec![Vec::new(); count];
    match classes {
        None => terms.iter_mut().zip(&coefficients).for_each(|(terms, coefficient)| terms.push((0, *coefficient))),
        Some(classes) => {
            // The vectors are ordered by class. Each has a coefficient for each pair that its class is part of.
            let sizes = view.floats_of("_n_support")?;
            let class =
                sizes.iter().enumerate().flat_map(|(class, &size)| std::iter::repeat_n(class, (size as usize).min(count + 1)));
            let class: Vec<usize> = class.collect();
            if sizes.len() != classes || class.len() != count {
                return python(format!("{}: not a class for every vector", view.name()));
            }
            for (vector, &own) in class.iter().enumerate() {
                for other in (0..classes).filter(|other| *other != own) {
                    let row = if other > own { other - 1 } else { other };
                    let pair = pairs::place(own.min(other), own.max(other), classes);
                    terms[vector].push((pair, coefficients[row * count + vector]));
                }
            }
        }
    }
    Ok(KernelMachine { likeness: likeness(view)?, columns, vectors, terms, offsets })
}

struct Voting {
    machine: KernelMachine,
    classes: usize,
    /// Whether the decision function has one score for each class; otherwise it has one for each pair of classes.
    by_class: bool,
    break_ties: bool,
}

/// `SVC` and `NuSVC`
pub fn classifier(view: View<'_>) -> Made<Estimator> {
    let classes = labels(view)?.len();
    if classes < 2 {
        return python(format!("{}: it has one class", view.name()));
    }
    let by_class = view.word("decision_function_shape") == "ovr";
    let voting = Voting { machine: machine(view, Some(classes))?, classes, by_class, break_ties: view.flag("break_ties") };
    Classifier::shared(view, Allow::Finite, voting)
}

impl Voting {
    /// One score for each pair of classes, above zero for the second.
    fn scores(&self, input: &Block, work: &mut Work, out: &mut Block) {
        self.machine.decide(input, work, out);
        out.map(|score| -score);
    }

    fn by_class(&self, input: &Block, work: &mut Work, out: &mut Block) {
        let mut scores = work.take();
        self.scores(input, work, &mut scores);
        pairs::votes(&scores, |score| score > 0.0, self.classes, true, out);
        work.give(scores);
    }
}

impl Classify for Voting {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.scores(input, work, out);
        Ok(())
    }

    fn has_probabilities(&self) -> bool {
        false
    }

    fn has_decision(&self) -> bool {
        true
    }

    fn decision(&self, input: &Block, work: &mut Work, out: &mut Block) -> Option<Result<()>> {
        match self.by_class && self.classes > 2 {
            true => self.by_class(input, work, out),
            false => self.scores(input, work, out),
        }
        Some(Ok(()))
    }

    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let (mut scores, mut votes) = (work.take(), work.take());
        if self.break_ties && self.by_class && self.classes > 2 {
            self.by_class(input, work, &mut votes);
        } else {
            self.scores(input, work, &mut scores);
            // The library counts a score of zero as a vote for the second class.
            pairs::votes(&scores, |score| score >= 0.0, self.classes, false, &mut votes);
        }
        argmax(&votes, out);
        work.give(scores);
        work.give(votes);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.machine.memory()
    }
}

/// `SVR` and `NuSVR`
pub fn regressor(view: View<'_>) -> Made<Estimator> {
    single(view, Vec::new())
}

/// `OneClassSVM`
pub fn one_class(view: View<'_>) -> Made<Estimator> {
    single(view, vec![Labels::Ints { values: vec![-1, 1], bytes: 8 }])
}

fn single(view: View<'_>, labels: Vec<Labels>) -> Made<Estimator> {
    Ok(Arc::new(KernelModel { name: view.name().into(), frame: frame(view), machine: machine(view, None)?, labels }))
}
