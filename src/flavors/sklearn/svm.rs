//! `sklearn.svm`: machines of support vectors.

use std::sync::Arc;

use super::{
    common::{Classifier, Classify, frame, labels, width},
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, validate},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind},
        dense::argmax,
        pairs,
    },
};

/// How alike two rows are.
#[derive(Clone, Copy)]
enum Likeness {
    Linear,
    Polynomial { gamma: f64, degree: i32, offset: f64 },
    Radial { gamma: f64 },
    Sigmoid { gamma: f64, offset: f64 },
}

/// Sums of likenesses to support vectors.
pub(super) struct Machine {
    likeness: Likeness,
    columns: usize,
    /// Vector by vector.
    vectors: Vec<f64>,
    /// For each vector the outputs it adds to, with its coefficient.
    terms: Vec<Vec<(usize, f64)>>,
    offsets: Vec<f64>,
}

fn likeness(view: View<'_>) -> Made<Likeness> {
    let (gamma, offset) = (view.float_of("_gamma")?, view.float_of("coef0")?);
    Ok(match view.word("kernel") {
        "linear" => Likeness::Linear,
        "rbf" => Likeness::Radial { gamma },
        "sigmoid" => Likeness::Sigmoid { gamma, offset },
        "poly" => match view.float_of("degree")? {
            degree if degree.fract() == 0.0 && (0.0..1000.0).contains(&degree) => {
                Likeness::Polynomial { gamma, degree: degree as i32, offset }
            }
            degree => return python(format!("{}: degree {degree}", view.name())),
        },
        other => return python(format!("{}: kernel '{other}'", view.name())),
    })
}

/// A machine whose vectors are of so many classes; of a regressor there is one, and one output.
fn machine(view: View<'_>, classes: Option<usize>) -> Made<Machine> {
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
            // The vectors lie class by class; of each pair of classes both have coefficients.
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
    Ok(Machine { likeness: likeness(view)?, columns, vectors, terms, offsets })
}

impl Machine {
    pub(super) fn decide(&self, input: &Block, work: &mut Work, out: &mut Block) {
        let rows = input.rows();
        out.reset(rows, self.offsets.len(), Kind::Double);
        self.offsets.iter().enumerate().for_each(|(output, offset)| out.column_mut(output).fill(*offset));
        let mut alike = std::mem::take(&mut work.numbers);
        for (vector, terms) in self.vectors.chunks_exact(self.columns.max(1)).zip(&self.terms) {
            alike.clear();
            alike.resize(rows, 0.0);
            for (column, &place) in vector.iter().enumerate() {
                let values = alike.iter_mut().zip(input.column(column));
                match self.likeness {
                    Likeness::Radial { .. } => values.for_each(|(sum, value)| *sum += (value - place) * (value - place)),
                    _ => values.for_each(|(sum, value)| *sum += value * place),
                }
            }
            match self.likeness {
                Likeness::Linear => {}
                Likeness::Radial { gamma } => alike.iter_mut().for_each(|value| *value = (-gamma * *value).exp()),
                Likeness::Sigmoid { gamma, offset } => {
                    alike.iter_mut().for_each(|value| *value = (gamma * *value + offset).tanh());
                }
                Likeness::Polynomial { gamma, degree, offset } => {
                    alike.iter_mut().for_each(|value| *value = (gamma * *value + offset).powi(degree));
                }
            }
            for &(output, coefficient) in terms {
                for (sum, value) in out.column_mut(output).iter_mut().zip(&alike) {
                    *sum += coefficient * value;
                }
            }
        }
        work.numbers = alike;
    }

    pub(super) fn memory(&self) -> usize {
        self.vectors.len() * 8 + self.terms.iter().map(|terms| terms.len() * 16).sum::<usize>()
    }
}

/// A machine of the rows it was fitted on: `weights` holds, vector by vector, what each adds to each output.
pub(super) fn fitted(view: View<'_>, vectors: &str, weights: &[f64], outputs: usize) -> Made<Machine> {
    let columns = width(view)?;
    let (vectors, count, found) = view.matrix_of(vectors)?;
    if found != columns || weights.len() != count * outputs || outputs == 0 {
        return python(format!("{}: its vectors and coefficients do not fit together", view.name()));
    }
    let gamma = view.find("gamma").and_then(View::number).unwrap_or(1.0 / columns as f64);
    let offset = view.find("coef0").and_then(View::number).unwrap_or(1.0);
    let degree = view.find("degree").and_then(View::number).unwrap_or(3.0);
    if view.find("kernel_params").is_some() {
        return python(format!("{}: its kernel has params of its own", view.name()));
    }
    let likeness = match view.word("kernel") {
        "linear" => Likeness::Linear,
        "rbf" => Likeness::Radial { gamma },
        "sigmoid" => Likeness::Sigmoid { gamma, offset },
        "poly" | "polynomial" if degree.fract() == 0.0 && (0.0..1000.0).contains(&degree) => {
            Likeness::Polynomial { gamma, degree: degree as i32, offset }
        }
        other => return python(format!("{}: kernel '{other}'", view.name())),
    };
    let terms = weights.chunks_exact(outputs).map(|weights| weights.iter().copied().enumerate().collect()).collect();
    Ok(Machine { likeness, columns, vectors, terms, offsets: vec![0.0; outputs] })
}

/// `KernelRidge`
pub(super) fn kernel_ridge(view: View<'_>) -> Made<Shared> {
    let weights = view.get("dual_coef_")?;
    let outputs = weights.array()?.shape.get(1).copied().unwrap_or(1);
    let machine = fitted(view, "X_fit_", &weights.floats()?, outputs)?;
    Ok(Arc::new(Single { name: view.name().into(), frame: frame(view), machine, labels: Vec::new() }))
}

struct Voting {
    machine: Machine,
    classes: usize,
    /// The decision is one score a class, else one a pair of classes.
    by_class: bool,
    break_ties: bool,
}

/// `SVC` and `NuSVC`
pub(super) fn classifier(view: View<'_>) -> Made<Shared> {
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
            // The library counts a score of zero for the second.
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

/// A regressor, or a detector of outliers.
struct Single {
    name: String,
    frame: Frame,
    machine: Machine,
    labels: Vec<Labels>,
}

/// `SVR` and `NuSVR`
pub(super) fn regressor(view: View<'_>) -> Made<Shared> {
    single(view, Vec::new())
}

/// `OneClassSVM`
pub(super) fn one_class(view: View<'_>) -> Made<Shared> {
    single(view, vec![Labels::Ints { values: vec![-1, 1], bytes: 8 }])
}

fn single(view: View<'_>, labels: Vec<Labels>) -> Made<Shared> {
    Ok(Arc::new(Single { name: view.name().into(), frame: frame(view), machine: machine(view, None)?, labels }))
}

impl Part for Single {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict || (method == Method::Decision && !self.labels.is_empty())
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate(&self.name, input, self.machine.columns, Allow::Finite)?;
        self.machine.decide(input, work, out);
        if method == Method::Predict && !self.labels.is_empty() {
            out.map(|score| f64::from(u8::from(score > 0.0)));
            out.set_kind(0, Kind::Class);
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
        self.machine.memory()
    }
}
