//! `QuantileTransformer`: each value becomes its quantile among those seen in fit.

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Made, Step, Transform, View, Work, python, width},
    kernels::{block::Block, special},
};

/// With a normal output distribution, how near to the least or greatest quantile a value counts as that.
const BOUNDS: f64 = 1e-7;

struct Places {
    /// Column by column, ascending.
    quantiles: Vec<Vec<f64>>,
    references: Vec<f64>,
    normal: bool,
}

/// `QuantileTransformer`
pub fn places(view: View<'_>) -> Made<Estimator> {
    let (values, count, columns) = view.matrix_of("quantiles_")?;
    let references = view.floats_of("references_")?;
    let normal = match view.word("output_distribution") {
        "uniform" => false,
        "normal" => true,
        other => return python(format!("QuantileTransformer: output_distribution '{other}'")),
    };
    if count != references.len() || count == 0 || columns != width(view)? || view.is_single("quantiles_") {
        return python("QuantileTransformer: its attributes do not fit together, or are of single precision");
    }
    let quantiles = (0..columns).map(|column| values.iter().skip(column).step_by(columns).copied().collect()).collect();
    Step::shared(view, Some(Allow::Missing), Places { quantiles, references, normal })
}

/// `numpy.interp`: linear interpolation between points whose `x` ascend.
fn interpolate(value: f64, count: usize, x: impl Fn(usize) -> f64, y: impl Fn(usize) -> f64, after: usize) -> f64 {
    if after == 0 {
        return y(0);
    }
    let at = after - 1;
    if at + 1 == count || x(at) == value {
        return y(at);
    }
    (y(at + 1) - y(at)) / (x(at + 1) - x(at)) * (value - x(at)) + y(at)
}

impl Places {
    fn place(&self, value: f64, quantiles: &[f64]) -> f64 {
        let (count, references) = (quantiles.len(), &self.references);
        let (least, greatest) = (quantiles[0], quantiles[count - 1]);
        let (low, high) = match self.normal {
            true => (value - BOUNDS < least, value + BOUNDS > greatest),
            false => (value == least, value == greatest),
        };
        let mut place = if low {
            0.0
        } else if high {
            1.0
        } else {
            // From both sides, which gives the middle for values that occurred more than once.
            let up =
                interpolate(value, count, |at| quantiles[at], |at| references[at], quantiles.partition_point(|&x| x <= value));
            let back = |at: usize| count - 1 - at;
            let passed = count - quantiles.partition_point(|&x| x < value);
            let down = interpolate(-value, count, |at| -quantiles[back(at)], |at| -references[back(at)], passed);
            0.5 * (up - down)
        };
        if self.normal {
            let edge = special::normal_quantile(BOUNDS - f64::EPSILON);
            let end = special::normal_quantile(1.0 - (BOUNDS - f64::EPSILON));
            place = special::normal_quantile(place).clamp(edge, end);
        }
        place
    }
}

impl Transform for Places {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        out.reset(input.rows(), input.width(), input.kind().float());
        for (column, quantiles) in self.quantiles.iter().enumerate() {
            for (out, &value) in out.column_mut(column).iter_mut().zip(input.column(column)) {
                *out = if value.is_nan() { value } else { self.place(value, quantiles) };
            }
        }
        out.map(|value| value);
        Ok(())
    }

    fn memory(&self) -> usize {
        (self.quantiles.iter().map(Vec::len).sum::<usize>() + self.references.len()) * 8
    }
}
