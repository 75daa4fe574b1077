//! Columns chosen by scores or variances of their own, or by a finished sequential search.

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Made, Step, Transform, View, Work, python, width},
    kernels::block::{Block, Kind},
};

/// The columns that are kept, and the place of each column among them.
struct Chosen {
    chosen: Vec<usize>,
    places: Vec<Option<usize>>,
}

fn chosen(view: View<'_>, mask: Vec<bool>, allow: Allow) -> Made<Estimator> {
    if mask.len() != width(view)? {
        return python(format!("{}: not a choice for every column", view.name()));
    }
    let columns: Vec<usize> = mask.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(column, _)| column).collect();
    let mut places = vec![None; mask.len()];
    columns.iter().enumerate().for_each(|(place, &column)| places[column] = Some(place));
    Step::shared(view, Some(allow), Chosen { chosen: columns, places })
}

fn truths(numbers: Vec<f64>) -> Vec<bool> {
    numbers.into_iter().map(|number| number != 0.0).collect()
}

/// `SequentialFeatureSelector`
pub fn supported(view: View<'_>) -> Made<Estimator> {
    chosen(view, truths(view.floats_of("support_")?), Allow::Finite)
}

/// `VarianceThreshold`
pub fn variance(view: View<'_>) -> Made<Estimator> {
    let threshold = view.float_of("threshold")?;
    let mask = view.floats_of("variances_")?.into_iter().map(|variance| variance > threshold).collect();
    chosen(view, mask, Allow::Missing)
}

/// The tests of `sklearn.feature_selection._univariate_selection`.
pub fn univariate(view: View<'_>) -> Made<Estimator> {
    let scores = view.floats_of("scores_")?;
    let (mode, number) = match view.name() {
        "GenericUnivariateSelect" => (view.word("mode"), view.get("param")?),
        "SelectKBest" => ("k_best", view.get("k")?),
        "SelectPercentile" => ("percentile", view.get("percentile")?),
        "SelectFpr" => ("fpr", view.get("alpha")?),
        "SelectFdr" => ("fdr", view.get("alpha")?),
        _ => ("fwe", view.get("alpha")?),
    };
    if number.text() == Some("all") {
        return chosen(view, vec![true; scores.len()], Allow::Finite);
    }
    let Some(number) = number.number() else { return number.wrong("how many columns to choose") };
    let values = || view.floats_of("pvalues_");
    let mask = match mode {
        "k_best" => best(&scores, number as usize),
        "percentile" => percentile(&scores, number),
        "fpr" => values()?.into_iter().map(|value| value < number).collect(),
        "fwe" => {
            let values = values()?;
            let alpha = number / values.len() as f64;
            values.into_iter().map(|value| value < alpha).collect()
        }
        "fdr" => {
            let values = values()?;
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let count = sorted.len() as f64;
            let passes = |(at, value): (usize, &f64)| (*value <= number / count * (at + 1) as f64).then_some(*value);
            match sorted.iter().enumerate().filter_map(passes).next_back() {
                Some(greatest) => values.into_iter().map(|value| value <= greatest).collect(),
                None => vec![false; values.len()],
            }
        }
        other => return python(format!("{}: mode '{other}'", view.name())),
    };
    chosen(view, mask, Allow::Finite)
}

/// The scores, with NaN replaced by the least number.
fn cleaned(scores: &[f64]) -> Vec<f64> {
    scores.iter().map(|score| if score.is_nan() { f64::MIN } else { *score }).collect()
}

fn best(scores: &[f64], count: usize) -> Vec<bool> {
    let scores = cleaned(scores);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut mask = vec![false; scores.len()];
    order.into_iter().rev().take(count).for_each(|column| mask[column] = true);
    mask
}

fn percentile(scores: &[f64], percent: f64) -> Vec<bool> {
    if percent >= 100.0 || percent == 0.0 || scores.is_empty() {
        return vec![percent != 0.0; scores.len()];
    }
    let scores = cleaned(scores);
    let mut sorted = scores.clone();
    sorted.sort_by(f64::total_cmp);
    // numpy's percentile: linear between neighbours.
    let place = (100.0 - percent) / 100.0 * (sorted.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let (below, above) = (sorted[low], sorted[(low + 1).min(sorted.len() - 1)]);
    let threshold = if part >= 0.5 { above - (above - below) * (1.0 - part) } else { below + (above - below) * part };
    let mut mask: Vec<bool> = scores.iter().map(|score| *score > threshold).collect();
    let ties = (0..scores.len()).filter(|&column| scores[column] == threshold);
    let room = ((scores.len() as f64 * percent / 100.0) as usize).saturating_sub(mask.iter().filter(|kept| **kept).count());
    ties.take(room).for_each(|column| mask[column] = true);
    mask
}

impl Transform for Chosen {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        if let Some(sparse) = input.sparse() {
            let to = out.reset_sparse(input.rows(), self.chosen.len());
            for row in 0..input.rows() {
                for (column, value) in sparse.row(row) {
                    if let Some(place) = self.places[column] {
                        to.push(place, value);
                    }
                }
                to.end_row();
            }
            return Ok(());
        }
        out.reset(input.rows(), self.chosen.len(), Kind::Double);
        for (to, &column) in self.chosen.iter().enumerate() {
            out.copy_column(to, input, column);
        }
        Ok(())
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn sparse_width(&self, input: Option<usize>) -> Option<usize> {
        input.map(|_| self.chosen.len())
    }

    fn memory(&self) -> usize {
        self.chosen.len() * 8 + self.places.len() * 16
    }
}
