//! `KNNImputer`: what is missing is filled in from the nearest rows that have it.

use super::simple::{Missing, features, mark};
use crate::{
    error::Result,
    flavors::sklearn::base::{Estimator, Made, Step, Transform, View, Work, python, validate, width},
    kernels::{
        block::{Block, Kind},
        neighbors::{Donors, Offers},
    },
};

struct Nearest {
    missing: Missing,
    donors: Donors,
    /// The columns of the output.
    kept: Vec<usize>,
    /// Columns for which a further column says where a value was missing.
    indicator: Vec<usize>,
    columns: usize,
}

/// `KNNImputer`
pub fn nearest(view: View<'_>) -> Made<Estimator> {
    let missing = Missing::new(view);
    if view.word("metric") != "nan_euclidean" || view.word("weights") != "uniform" || view.is_single("_fit_X") {
        return python("KNNImputer: of another metric, with weights, or in single precision");
    }
    let (mut rows, _, columns) = view.matrix_of("_fit_X")?;
    rows.iter_mut().filter(|value| missing.is(Kind::Double, **value)).for_each(|value| *value = f64::NAN);
    let donors = match Donors::new(columns, view.count_of("n_neighbors")?, rows) {
        Some(donors) if columns == width(view)? => donors,
        _ => return python("KNNImputer: its rows are not of its columns"),
    };
    let kept = (0..columns).filter(|&column| donors.have(column) || view.flag("keep_empty_features")).collect();
    let indicator = match view.find("indicator_") {
        Some(indicator) => features(indicator, columns)?,
        None => Vec::new(),
    };
    Step::shared(view, None, Nearest { missing, donors, kept, indicator, columns })
}

impl Transform for Nearest {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate("KNNImputer", input, self.columns, self.missing.allow())?;
        let kind = input.kind().float();
        out.reset(input.rows(), self.kept.len() + self.indicator.len(), kind);
        let mut row = std::mem::take(&mut work.numbers);
        let mut offers = Offers::default();
        for at in 0..input.rows() {
            row.clear();
            row.extend(input.columns().map(|column| column[at]));
            row.iter_mut().filter(|value| self.missing.is(Kind::Double, **value)).for_each(|value| *value = f64::NAN);
            self.donors.fill(&mut row, &mut offers);
            for (to, &column) in self.kept.iter().enumerate() {
                let value = match (self.donors.have(column), kind) {
                    (false, _) => 0.0,
                    (true, Kind::Single) => f64::from(row[column] as f32),
                    (true, _) => row[column],
                };
                out.column_mut(to)[at] = value;
            }
        }
        for (to, &feature) in self.indicator.iter().enumerate() {
            mark(&self.missing, true, input, feature, out, self.kept.len() + to);
        }
        work.numbers = row;
        Ok(())
    }

    fn memory(&self) -> usize {
        self.donors.memory()
    }
}
