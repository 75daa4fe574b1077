//! `sklearn.semi_supervised`

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{
            Allow, Classifier, Classify, Estimator, Made, View, Work,
            kernel_machine::{KernelMachine, fitted},
            labels, python,
        },
        neighbors::nearest::fitted as neighbors,
    },
    kernels::{
        block::{Block, Kind},
        dense::divide_by_sums,
        neighbors::Neighbors,
    },
};

/// How the label distributions of the training rows are combined.
enum Propagated {
    /// All of them, weighted by a kernel function.
    Alike { machine: KernelMachine },
    /// Those of the nearest rows.
    Nearest { neighbors: Neighbors, count: usize, shares: Vec<f64>, classes: usize },
}

/// `LabelPropagation` and `LabelSpreading`
pub fn propagated(view: View<'_>) -> Made<Estimator> {
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
