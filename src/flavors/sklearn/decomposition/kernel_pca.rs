//! `KernelPCA`

use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Estimator, Made, Step, Transform, View, Work,
        kernel_machine::{KernelMachine, fitted},
        python,
    },
    kernels::block::{Block, Kind},
};

/// Sums of the centred kernel function.
struct Components {
    /// One output for each component, and last the mean of the kernel function over all vectors.
    machine: KernelMachine,
    /// For each component the sum of the vectors' weights.
    sums: Vec<f64>,
    /// For each component a constant that is added.
    offsets: Vec<f64>,
}

/// `KernelPCA`
pub fn components(view: View<'_>) -> Made<Estimator> {
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
