//! Transformers that bend each value or join columns: powers, random features, means of groups.

use super::{
    common::{Step, Transform, width},
    part::{Allow, MAX_WIDTH, Method, Shared, Work, out_of_range},
    registry::build,
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind},
        dense::Affine,
    },
};

/// A power a column, then a scaler.
struct Power {
    powers: Vec<f64>,
    /// Only for numbers above zero.
    box_cox: bool,
    /// By way of logarithms, as scipy does it.
    stable: bool,
    scaler: Option<Shared>,
}

/// `PowerTransformer`
pub(super) fn power(view: View<'_>) -> Made<Shared> {
    let powers = view.floats_of("lambdas_")?;
    let box_cox = match view.word("method") {
        "box-cox" => true,
        "yeo-johnson" => false,
        other => return python(format!("PowerTransformer: method '{other}'")),
    };
    let scaler = match view.flag("standardize") {
        true => Some(build(view.get("_scaler")?)?),
        false => None,
    };
    match powers.len() == width(view)? {
        true => {
            let power = Power { powers, box_cox, stable: view.version() >= (1, 7), scaler };
            Step::shared(view, Some(Allow::Missing), power)
        }
        false => python("PowerTransformer: not a power for every column"),
    }
}

impl Power {
    fn at(&self, power: f64, value: f64) -> f64 {
        let raised = |log: f64, base: f64, power: f64| match self.stable {
            true => (power * log).exp_m1() / power,
            false => (base.powf(power) - 1.0) / power,
        };
        if self.box_cox {
            return if power.abs() < 1e-19 { value.ln() } else { (power * value.ln()).exp_m1() / power };
        }
        match value >= 0.0 {
            true if power.abs() < f64::EPSILON => value.ln_1p(),
            true => raised(value.ln_1p(), value + 1.0, power),
            false if (power - 2.0).abs() > f64::EPSILON => -raised((-value).ln_1p(), 1.0 - value, 2.0 - power),
            false => -(-value).ln_1p(),
        }
    }
}

impl Transform for Power {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut bent = work.take();
        bent.reset(input.rows(), input.width(), Kind::Double);
        for (column, &power) in self.powers.iter().enumerate() {
            let values = input.column(column);
            if let Some(row) = values.iter().position(|&value| self.box_cox && value <= 0.0) {
                let message = "the Box-Cox transformation is only of numbers above zero";
                return Err(out_of_range(message, row));
            }
            bent.column_mut(column).iter_mut().zip(values).for_each(|(out, &value)| {
                *out = if value.is_nan() { value } else { self.at(power, value) };
            });
        }
        match &self.scaler {
            Some(scaler) => scaler.run(Method::Transform, &bent, work, out)?,
            None => std::mem::swap(out, &mut bent),
        }
        work.give(bent);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.powers.len() * 8
    }
}

/// Cosines of a linear map.
struct Cosines {
    affine: Affine,
    scale: f64,
}

/// `RBFSampler`
pub(super) fn random_features(view: View<'_>) -> Made<Shared> {
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

pub(super) fn skewed(view: View<'_>) -> Made<Shared> {
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

/// Roots, and waves over logarithms.
struct Waves {
    steps: usize,
    interval: f64,
}

/// `AdditiveChi2Sampler`
pub(super) fn waves(view: View<'_>) -> Made<Shared> {
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

/// Means of groups of columns.
struct Groups {
    groups: Vec<usize>,
    sizes: Vec<f64>,
}

/// `FeatureAgglomeration`
pub(super) fn groups(view: View<'_>) -> Made<Shared> {
    if view.find("pooling_func").map(View::class) != Some("numpy.mean") {
        return python("FeatureAgglomeration: another function than the mean");
    }
    let groups: Vec<usize> = view.floats_of("labels_")?.into_iter().map(|group| group as usize).collect();
    let count = groups.iter().copied().max().map_or(0, |last| last + 1);
    if groups.len() != width(view)? || count > groups.len() {
        return python("FeatureAgglomeration: not a group for every column");
    }
    let mut sizes = vec![0.0; count];
    groups.iter().for_each(|&group| sizes[group] += 1.0);
    Step::shared(view, Some(Allow::Finite), Groups { groups, sizes })
}

impl Transform for Groups {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        out.reset_zeros(input.rows(), self.sizes.len(), Kind::Double);
        for (column, &group) in self.groups.iter().enumerate() {
            out.column_mut(group).iter_mut().zip(input.column(column)).for_each(|(sum, value)| *sum += value);
        }
        for (group, size) in self.sizes.iter().enumerate() {
            out.column_mut(group).iter_mut().for_each(|sum| *sum /= size);
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.groups.len() * 16
    }
}
