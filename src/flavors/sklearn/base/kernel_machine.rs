//! Sums of a kernel function between a row and the model's support vectors.

use super::{Allow, Frame, Labels, Made, Method, Part, View, Work, python, validate, width};
use crate::{
    error::Result,
    kernels::block::{Block, Kind},
};

/// A kernel function of two rows.
#[derive(Clone, Copy)]
pub enum Kernel {
    Linear,
    Polynomial { gamma: f64, degree: i32, offset: f64 },
    Radial { gamma: f64 },
    Sigmoid { gamma: f64, offset: f64 },
}

/// Weighted sums of the kernel function of a row and each support vector.
pub struct KernelMachine {
    pub likeness: Kernel,
    pub columns: usize,
    /// The support vectors, one after another.
    pub vectors: Vec<f64>,
    /// For each vector the outputs that it adds to, each with a coefficient.
    pub terms: Vec<Vec<(usize, f64)>>,
    pub offsets: Vec<f64>,
}

impl KernelMachine {
    pub fn decide(&self, input: &Block, work: &mut Work, out: &mut Block) {
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
                    Kernel::Radial { .. } => values.for_each(|(sum, value)| *sum += (value - place) * (value - place)),
                    _ => values.for_each(|(sum, value)| *sum += value * place),
                }
            }
            match self.likeness {
                Kernel::Linear => {}
                Kernel::Radial { gamma } => alike.iter_mut().for_each(|value| *value = (-gamma * *value).exp()),
                Kernel::Sigmoid { gamma, offset } => {
                    alike.iter_mut().for_each(|value| *value = (gamma * *value + offset).tanh());
                }
                Kernel::Polynomial { gamma, degree, offset } => {
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

    pub fn memory(&self) -> usize {
        self.vectors.len() * 8 + self.terms.iter().map(|terms| terms.len() * 16).sum::<usize>()
    }
}

/// The machine of an estimator that keeps all rows it was fitted on. `weights` has, vector by vector, a weight for each output.
pub fn fitted(view: View<'_>, vectors: &str, weights: &[f64], outputs: usize) -> Made<KernelMachine> {
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
        "linear" => Kernel::Linear,
        "rbf" => Kernel::Radial { gamma },
        "sigmoid" => Kernel::Sigmoid { gamma, offset },
        "poly" | "polynomial" if degree.fract() == 0.0 && (0.0..1000.0).contains(&degree) => {
            Kernel::Polynomial { gamma, degree: degree as i32, offset }
        }
        other => return python(format!("{}: kernel '{other}'", view.name())),
    };
    let terms = weights.chunks_exact(outputs).map(|weights| weights.iter().copied().enumerate().collect()).collect();
    Ok(KernelMachine { likeness, columns, vectors, terms, offsets: vec![0.0; outputs] })
}

/// A regressor or an outlier detector.
pub struct KernelModel {
    pub name: String,
    pub frame: Frame,
    pub machine: KernelMachine,
    pub labels: Vec<Labels>,
}

impl Part for KernelModel {
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
