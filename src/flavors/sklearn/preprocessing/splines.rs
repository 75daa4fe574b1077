//! Columns as B-splines: `SplineTransformer`.

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, MAX_WIDTH, Made, Step, Transform, View, Work, out_of_range, python, width},
    kernels::{
        block::{Block, Kind},
        spline::Basis,
    },
};

/// The names of scipy's class of splines.
pub const CLASSES: [&str; 3] =
    ["scipy.interpolate._bsplines.BSpline", "scipy.interpolate._bsplines._BSpline", "scipy.interpolate.BSpline"];

/// What happens outside of the knots.
#[derive(Clone, Copy, PartialEq)]
enum Beyond {
    /// Values are refused.
    Refused,
    /// The splines keep their values at the ends.
    Constant,
    /// The splines go on linearly.
    Linear,
    /// The polynomials at the ends go on.
    Continued,
    /// The splines are periodic.
    Periodic,
}

/// The splines of a column.
struct Splines {
    basis: Basis,
    /// The output that each spline adds to. With periodic splines the last ones are the first ones again.
    outputs: Vec<usize>,
    /// The ends of the interval of the training data, and how many of the outputs at each end are extrapolated.
    low: f64,
    high: f64,
    ending: usize,
}

struct Bases {
    columns: Vec<Splines>,
    degree: usize,
    /// How many outputs a column has, and how many of them are kept.
    each: usize,
    kept: usize,
    beyond: Beyond,
}

/// `SplineTransformer`
pub fn bases(view: View<'_>) -> Made<Estimator> {
    let degree = view.count_of("degree")?;
    let beyond = match view.word("extrapolation") {
        "error" => Beyond::Refused,
        "constant" if degree > 0 => Beyond::Constant,
        "linear" => Beyond::Linear,
        "continue" => Beyond::Continued,
        "periodic" => Beyond::Periodic,
        other => return python(format!("SplineTransformer: extrapolation '{other}' of degree {degree}")),
    };
    let columns = view.get("bsplines_")?.items().into_iter().enumerate();
    let columns = columns
        .map(|(column, spline)| {
            // In the library's loop over the columns a degree below two is increased from column to column, up to two.
            let inset = if beyond == Beyond::Linear && degree < 2 { (degree + column).min(2) } else { degree };
            let ending = if beyond == Beyond::Linear && inset < 2 { inset + 1 } else { inset };
            splines(spline, degree, inset, ending)
        })
        .collect::<Made<Vec<_>>>()?;
    let each = columns.first().and_then(|splines| splines.outputs.iter().max()).map_or(0, |last| last + 1);
    let fits = columns.iter().all(|splines| splines.outputs.iter().max() == Some(&(each - 1)) && splines.ending <= each);
    if !fits || columns.len() != width(view)? || columns.len().saturating_mul(each) > MAX_WIDTH {
        return python("SplineTransformer: its splines do not fit together");
    }
    let kept = if view.flag("include_bias") { each } else { each - 1 };
    let allow = if view.word("handle_missing") == "zeros" { Allow::All } else { Allow::Finite };
    Step::shared(view, Some(allow), Bases { columns, degree, each, kept, beyond })
}

fn splines(spline: View<'_>, degree: usize, inset: usize, ending: usize) -> Made<Splines> {
    // Since 1.17 scipy's object holds the one that computes.
    let spline = spline.state().first().copied().unwrap_or(spline);
    let (factors, count, width) = spline.matrix_of("c")?;
    let basis = Basis::new(spline.floats_of("t")?, degree).filter(|basis| basis.count() == count && width > 0);
    let output = |factors: &[f64]| {
        let one = factors.iter().position(|&factor| factor == 1.0)?;
        factors.iter().enumerate().all(|(at, &factor)| at == one || factor == 0.0).then_some(one)
    };
    let outputs: Option<Vec<usize>> = factors.chunks_exact(width.max(1)).map(output).collect();
    let ends = basis.as_ref().and_then(|basis| basis.ends(inset));
    match basis.zip(outputs).zip(ends).filter(|_| spline.count_of("k").is_ok_and(|k| k == degree)) {
        Some(((basis, outputs), (low, high))) => Ok(Splines { basis, outputs, low, high, ending }),
        None => python("SplineTransformer: knots or factors of another kind"),
    }
}

impl Bases {
    /// Adds to a row's outputs what the splines, or their slopes, give.
    fn add(splines: &Splines, (first, values): (usize, &[f64]), factor: f64, row: &mut [f64]) {
        let outputs = splines.outputs[first..].iter();
        outputs.zip(values).for_each(|(&output, value)| row[output] += value * factor);
    }

    /// The outputs of one value, which are zero before.
    fn fill(&self, splines: &Splines, x: f64, values: &mut [f64], row: &mut [f64]) {
        let Splines { low, high, .. } = *splines;
        let end = if x < low { low } else { high };
        match self.beyond {
            // Missing values lie in no interval.
            _ if x.is_nan() => {}
            Beyond::Periodic if high > low => {
                let x = low + (x - low).rem_euclid(high - low);
                Self::add(splines, (splines.basis.values(x, values), values), 1.0, row);
            }
            Beyond::Constant | Beyond::Linear if x < low || x > high => {
                Self::add(splines, (splines.basis.values(end, values), values), 1.0, row);
                if self.beyond == Beyond::Linear {
                    Self::add(splines, (splines.basis.slopes(end, values), values), x - end, row);
                }
                match x < low {
                    true => row[splines.ending..].fill(0.0),
                    false => row[..self.each - splines.ending].fill(0.0),
                }
            }
            _ => {
                // A period of length zero comes from a constant column.
                let x = if self.beyond == Beyond::Periodic { 0.0 } else { x };
                Self::add(splines, (splines.basis.values(x, values), values), 1.0, row);
            }
        }
    }
}

impl Transform for Bases {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        let kind = input.kind().float();
        out.reset(input.rows(), self.columns.len() * self.kept, kind);
        let (mut values, mut row) = (vec![0.0; self.degree + 1], vec![0.0; self.each]);
        for (column, splines) in self.columns.iter().enumerate() {
            let Splines { low, high, .. } = *splines;
            for (at, &x) in input.column(column).iter().enumerate() {
                if self.beyond == Beyond::Refused && (x < low || x > high) {
                    let message = "`X` contains values beyond the limits of the knots.";
                    return Err(out_of_range(message, at).expected(format!("{low} to {high}")).found(x));
                }
                row.fill(0.0);
                self.fill(splines, x, &mut values, &mut row);
                for (output, value) in row[..self.kept].iter().enumerate() {
                    let value = if kind == Kind::Single { f64::from(*value as f32) } else { *value };
                    out.column_mut(column * self.kept + output)[at] = value;
                }
            }
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.columns.iter().map(|splines| splines.basis.memory() + splines.outputs.len() * 8).sum()
    }
}
