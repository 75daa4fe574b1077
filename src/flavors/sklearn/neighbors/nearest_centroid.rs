//! `NearestCentroid`: classes by their centre, and by their prior probability.

use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Classifier, Classify, Estimator, Made, View, Work,
        discriminant::{Discriminant, Scores},
        labels, python, width,
    },
    kernels::{
        block::{Block, Kind},
        dense::argmax,
    },
};

/// Centres, class by class.
struct Centres {
    columns: usize,
    values: Vec<f64>,
    /// Whether distances are Manhattan; otherwise they are squared Euclidean.
    manhattan: bool,
}

/// Scores of the classes: squared distances from the centres, with each column divided by its deviation, and the priors of the
/// classes.
struct Normalized {
    centres: Centres,
    deviations: Vec<f64>,
    priors: Vec<f64>,
}

struct Centroids {
    /// Where they are given, the nearest class is predicted; otherwise the one with the greatest score.
    centres: Option<Centres>,
    /// `None` for versions without probabilities.
    scores: Option<Discriminant<Normalized>>,
}

/// `NearestCentroid`
pub fn centroid(view: View<'_>) -> Made<Estimator> {
    let (values, classes, columns) = view.matrix_of("centroids_")?;
    let manhattan = match view.word("metric") {
        "euclidean" => false,
        "manhattan" => true,
        other => return python(format!("NearestCentroid: metric '{other}'")),
    };
    let priors = match view.find("class_prior_") {
        Some(priors) => Some(priors.floats()?),
        None => None,
    };
    let even = 1.0 / classes as f64;
    // As `numpy.isclose` has it.
    let close = |prior: &f64| (prior - even).abs() <= 1e-8 + 1e-5 * even;
    let nearest = priors.as_ref().is_none_or(|priors| priors.iter().all(close));
    let fit = labels(view)?.len() == classes && columns == width(view)? && columns > 0;
    if !fit || priors.as_ref().is_some_and(|priors| priors.len() != classes) {
        return python("NearestCentroid: its attributes do not fit together");
    }
    let scores = match priors {
        Some(priors) => {
            let mut deviations = view.floats_of("within_class_std_dev_")?;
            if deviations.len() != columns {
                return python("NearestCentroid: not a deviation for every column");
            }
            // A column without deviation is not divided.
            deviations.iter_mut().filter(|deviation| **deviation == 0.0).for_each(|deviation| *deviation = 1.0);
            let over = values.chunks_exact(columns).flat_map(|row| row.iter().zip(&deviations).map(|(value, by)| value / by));
            let centres = Centres { columns, values: over.collect(), manhattan };
            Some(Discriminant(Normalized { centres, deviations, priors }))
        }
        None => None,
    };
    let centres = nearest.then_some(Centres { columns, values, manhattan });
    Classifier::shared(view, Allow::Finite, Centroids { centres, scores })
}

impl Centres {
    fn distances(&self, input: &Block, over: Option<&[f64]>, out: &mut Block) {
        out.reset(input.rows(), self.values.len() / self.columns, Kind::Double);
        for (class, centre) in self.values.chunks_exact(self.columns).enumerate() {
            let sums = out.column_mut(class);
            sums.fill(0.0);
            for (column, centre) in centre.iter().enumerate() {
                let by = over.map_or(1.0, |over| over[column]);
                for (sum, value) in sums.iter_mut().zip(input.column(column)) {
                    let difference = value / by - centre;
                    *sum += if self.manhattan { difference.abs() } else { difference * difference };
                }
            }
        }
    }
}

impl Scores for Normalized {
    fn classes(&self) -> usize {
        self.priors.len()
    }

    fn scores(&self, input: &Block, _: &mut Work, out: &mut Block) {
        self.centres.distances(input, Some(&self.deviations), out);
        for (class, prior) in self.priors.iter().enumerate() {
            let prior = 2.0 * prior.ln();
            let squared = |distance: f64| if self.centres.manhattan { distance * distance } else { distance };
            out.column_mut(class).iter_mut().for_each(|score| *score = prior - squared(*score));
        }
    }

    fn memory(&self) -> usize {
        (self.centres.values.len() + self.deviations.len() + self.priors.len()) * 8
    }
}

impl Classify for Centroids {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.scores.as_ref().map_or(Ok(()), |scores| scores.probabilities(input, work, out))
    }

    fn logarithms(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.scores.as_ref().map_or(Ok(()), |scores| scores.logarithms(input, work, out))
    }

    fn decision(&self, input: &Block, work: &mut Work, out: &mut Block) -> Option<Result<()>> {
        self.scores.as_ref().and_then(|scores| scores.decision(input, work, out))
    }

    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let Some(centres) = &self.centres else {
            return self.scores.as_ref().map_or(Ok(()), |scores| scores.predict(input, work, out));
        };
        let mut distances = work.take();
        centres.distances(input, None, &mut distances);
        distances.map(|distance| -distance);
        argmax(&distances, out);
        work.give(distances);
        Ok(())
    }

    fn has_decision(&self) -> bool {
        self.has_probabilities()
    }

    fn has_probabilities(&self) -> bool {
        self.scores.as_ref().is_some_and(|scores| !scores.0.centres.manhattan)
    }

    fn memory(&self) -> usize {
        let centres = self.centres.as_ref().map_or(0, |centres| centres.values.len() * 8);
        centres + self.scores.as_ref().map_or(0, Classify::memory)
    }
}
