//! `Normalizer`

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Made, Step, Transform, View, Work, python},
    kernels::block::{Block, Kind, round},
};

/// What `Normalizer` divides a row by.
#[derive(Clone, Copy)]
enum Norm {
    Sum,
    Euclidean,
    Greatest,
}

struct Normalizer(Norm);

/// `Normalizer`
pub fn normalizer(view: View<'_>) -> Made<Estimator> {
    let norm = match view.word("norm") {
        "l1" => Norm::Sum,
        "l2" => Norm::Euclidean,
        "max" => Norm::Greatest,
        other => return python(format!("Normalizer: norm '{other}'")),
    };
    Step::shared(view, Some(Allow::Finite), Normalizer(norm))
}

impl Transform for Normalizer {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        out.reset(input.rows(), input.width(), input.kind().float());
        let norms = &mut work.numbers;
        norms.clear();
        norms.resize(input.rows(), 0.0);
        for column in input.columns() {
            for (norm, value) in norms.iter_mut().zip(column) {
                match self.0 {
                    Norm::Sum => *norm += value.abs(),
                    Norm::Euclidean => *norm += value * value,
                    Norm::Greatest => *norm = norm.max(value.abs()),
                }
            }
        }
        for norm in norms.iter_mut() {
            *norm = if matches!(self.0, Norm::Euclidean) { norm.sqrt() } else { *norm };
            if *norm == 0.0 {
                *norm = 1.0;
            }
        }
        for column in 0..input.width() {
            let values = input.column(column).iter().zip(norms.iter());
            out.column_mut(column).iter_mut().zip(values).for_each(|(out, (value, norm))| *out = value / norm);
            if out.kinds()[column] == Kind::Single {
                round(out.column_mut(column));
            }
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        0
    }
}
