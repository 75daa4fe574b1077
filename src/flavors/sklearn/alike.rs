//! Rows by how alike they are to rows seen before: `KernelPCA`, `Nystroem`, `LabelPropagation` and `LabelSpreading`.

use super::{
    common::{Classifier, Classify, Step, Transform, labels},
    neighbors::fitted as neighbors,
    part::{Allow, Shared, Work},
    svm::{Machine, fitted},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind},
        dense::divide_by_sums,
        neighbors::Neighbors,
    },
};

/// Sums of likenesses, less what likenesses are on average.
struct Components {
    /// One output a component, and the mean over all vectors as the last.
    machine: Machine,
    /// Of each component, what the vectors' weights add up to.
    sums: Vec<f64>,
    /// Of each component, what is added in the end.
    offsets: Vec<f64>,
}

/// `KernelPCA`
pub(super) fn components(view: View<'_>) -> Made<Shared> {
    let (vectors, count, outputs) = view.matrix_of("eigenvectors_")?;
    let values = view.floats_of("eigenvalues_")?;
    let centerer = view.get("_centerer")?;
    let (means, mean) = (centerer.floats_of("K_fit_rows_")?, centerer.float_of("K_fit_all_")?);
    if values.len() != outputs || means.len() != count || count == 0 {
        return python("KernelPCA: its attributes do not fit together");
    }
    let (mut weights, mut sums, mut offsets) = (Vec::new(), vec![0.0; outputs], vec![0.0; outputs]);
    for (row, row_mean) in vectors.chunks_exact(outputs.max(1)).zip(&means) {
        for (component, (weight, value)) in row.iter().zip(&values).enumerate() {
            let weight = if *value == 0.0 { 0.0 } else { weight / value.sqrt() };
            weights.push(weight);
            sums[component] += weight;
            offsets[component] += (mean - row_mean) * weight;
        }
        weights.push(1.0 / count as f64);
    }
    let machine = fitted(view, "X_fit_", &weights, outputs + 1)?;
    Step::shared(view, Some(Allow::Finite), Components { machine, sums, offsets })
}

impl Transform for Components {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut made = work.take();
        self.machine.decide(input, work, &mut made);
        let outputs = self.sums.len();
        out.reset(input.rows(), outputs, Kind::Double);
        for component in 0..outputs {
            for (row, value) in out.column_mut(component).iter_mut().enumerate() {
                *value = made.at(row, component) - made.at(row, outputs) * self.sums[component] + self.offsets[component];
            }
        }
        work.give(made);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.machine.memory()
    }
}

struct Mapped(Machine);

/// `Nystroem`
pub(super) fn mapped(view: View<'_>) -> Made<Shared> {
    let (normalization, outputs, count) = view.matrix_of("normalization_")?;
    let weights: Vec<f64> = (0..count).flat_map(|at| normalization.iter().skip(at).step_by(count)).copied().collect();
    Step::shared(view, Some(Allow::Finite), Mapped(fitted(view, "components_", &weights, outputs)?))
}

impl Transform for Mapped {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.0.decide(input, work, out);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }
}

/// What classes the rows seen before are of, each in parts.
enum Propagated {
    /// By all of them, as far as they are alike.
    Alike { machine: Machine },
    /// By the nearest.
    Nearest { neighbors: Neighbors, count: usize, shares: Vec<f64>, classes: usize },
}

/// `LabelPropagation` and `LabelSpreading`
pub(super) fn propagated(view: View<'_>) -> Made<Shared> {
    let (shares, rows, classes) = view.matrix_of("label_distributions_")?;
    if classes != labels(view)?.len() {
        return python(format!("{}: its classes do not fit together", view.name()));
    }
    let propagated = match view.word("kernel") {
        "rbf" => Propagated::Alike { machine: fitted(view, "X_", &shares, classes)? },
        "knn" => {
            let (neighbors, count) = (neighbors(view.get("nn_fit")?)?, view.get("nn_fit")?.count_of("n_neighbors")?);
            if neighbors.count() != rows || !(1..=rows).contains(&count) {
                return python(format!("{}: its rows do not fit together", view.name()));
            }
            Propagated::Nearest { neighbors, count, shares, classes }
        }
        _ => return python(format!("{}: a kernel of its own", view.name())),
    };
    Classifier::shared(view, Allow::Finite, propagated)
}

impl Classify for Propagated {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        match self {
            Self::Alike { machine } => machine.decide(input, work, out),
            Self::Nearest { neighbors, count, shares, classes } => {
                let found = &mut work.nearest;
                neighbors.nearest(input, *count, &mut work.numbers, found);
                out.reset(input.rows(), *classes, Kind::Double);
                for class in 0..*classes {
                    for (row, share) in out.column_mut(class).iter_mut().enumerate() {
                        *share = found.points(row).iter().map(|&point| shares[point as usize * classes + class]).sum();
                    }
                }
            }
        }
        divide_by_sums(out);
        Ok(())
    }

    fn memory(&self) -> usize {
        match self {
            Self::Alike { machine } => machine.memory(),
            Self::Nearest { neighbors, shares, .. } => neighbors.memory() + shares.len() * 8,
        }
    }
}
