//! `sklearn.kernel_approximation`

use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Estimator, MAX_WIDTH, Made, Step, Transform, View, Work,
        kernel_machine::{KernelMachine, fitted},
        out_of_range, python, width,
    },
    kernels::{block::Block, dense::Affine},
};

/// Cosines of a linear map.
struct Cosines {
    affine: Affine,
    scale: f64,
}

/// `RBFSampler`
pub fn random_features(view: View<'_>) -> Made<Estimator> {
    Step::shared(view, Some(Allow::Finite), cosines(view)?)
}

fn cosines(view: View<'_>) -> Made<Cosines> {
    let (weights, inputs, outputs) = view.matrix_of("random_weights_")?;
    let by_output = (0..outputs).flat_map(|output| (0..inputs).map(move |input| input * outputs + output));
    let affine = Affine::new(inputs, by_output.map(|at| weights[at]).collect(), view.floats_of("random_offset_")?, false);
    match affine.filter(|affine| affine.outputs() > 0) {
        Some(affine) if inputs == width(view)? => Ok(Cosines { affine, scale: (2.0 / outputs as f64).sqrt() }),
        _ => python(format!("{}: its attributes do not fit together", view.name())),
    }
}

impl Transform for Cosines {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        self.affine.apply(input, out);
        out.map(|value| value.cos() * self.scale);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.affine.memory()
    }
}

/// `SkewedChi2Sampler`
struct Skewed {
    skew: f64,
    cosines: Cosines,
}

pub fn skewed(view: View<'_>) -> Made<Estimator> {
    Step::shared(view, Some(Allow::Finite), Skewed { skew: view.float_of("skewedness")?, cosines: cosines(view)? })
}

impl Transform for Skewed {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut logarithms = work.take();
        logarithms.reset(input.rows(), input.width(), input.kind().float());
        for (column, values) in input.columns().enumerate() {
            if let Some(row) = values.iter().position(|value| *value <= -self.skew) {
                return Err(out_of_range("X may not contain entries smaller than -skewedness", row));
            }
            for (out, value) in logarithms.column_mut(column).iter_mut().zip(values) {
                *out = (value + self.skew).ln();
            }
        }
        let made = self.cosines.transform(&logarithms, work, out);
        work.give(logarithms);
        made
    }

    fn memory(&self) -> usize {
        self.cosines.memory()
    }
}

/// Square roots, and cosines and sines of logarithms.
struct Waves {
    steps: usize,
    interval: f64,
}

/// `AdditiveChi2Sampler`
pub fn waves(view: View<'_>) -> Made<Estimator> {
    let steps = view.count_of("sample_steps")?;
    let interval = match (view.find("sample_interval").and_then(View::number), steps) {
        (Some(interval), _) => interval,
        (None, 1) => 0.8,
        (None, 2) => 0.5,
        (None, 3) => 0.4,
        _ => return python("AdditiveChi2Sampler: more steps than intervals are known for"),
    };
    if steps == 0 || steps > MAX_WIDTH || width(view)? > MAX_WIDTH / (2 * steps - 1) {
        return python(format!("AdditiveChi2Sampler: {steps} steps of so many columns"));
    }
    Step::shared(view, Some(Allow::Finite), Waves { steps, interval })
}

impl Transform for Waves {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        let width = input.width();
        out.reset(input.rows(), width * (2 * self.steps - 1), input.kind().float());
        for (column, values) in input.columns().enumerate() {
            if let Some(row) = values.iter().position(|value| *value < 0.0) {
                return Err(out_of_range("Negative values in data passed to X in AdditiveChi2Sampler", row));
            }
            for (row, &value) in values.iter().enumerate() {
                let logarithm = self.interval * value.ln();
                let mut put =
                    |part: usize, wave: f64| out.column_mut(part * width + column)[row] = if value == 0.0 { 0.0 } else { wave };
                put(0, (value * self.interval).sqrt());
                for step in 1..self.steps {
                    let factor =
                        (2.0 * value * self.interval / (std::f64::consts::PI * step as f64 * self.interval).cosh()).sqrt();
                    put(2 * step - 1, factor * (step as f64 * logarithm).cos());
                    put(2 * step, factor * (step as f64 * logarithm).sin());
                }
            }
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        0
    }
}

struct Mapped(KernelMachine);

/// `Nystroem`
pub fn mapped(view: View<'_>) -> Made<Estimator> {
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
