//! `PowerTransformer`

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Allow, Estimator, Made, Method, Step, Transform, View, Work, out_of_range, python, width},
        registry::build,
    },
    kernels::block::{Block, Kind},
};

/// A power transformation for each column, then a scaler.
struct Power {
    powers: Vec<f64>,
    /// Whether it is the Box-Cox transformation, which is for positive numbers only; otherwise it is that of Yeo and Johnson.
    box_cox: bool,
    /// Whether it is computed by `expm1` and logarithms, as newer versions do by scipy.
    stable: bool,
    scaler: Option<Estimator>,
}

/// `PowerTransformer`
pub fn power(view: View<'_>) -> Made<Estimator> {
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
