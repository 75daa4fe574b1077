//! Shares of topics in documents: `LatentDirichletAllocation`.

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Made, Step, Transform, View, Work, out_of_range, python},
    kernels::{
        block::{Block, Kind},
        special::short_digamma,
    },
};

struct Topics {
    /// For each word, one number for each topic.
    words: Vec<f64>,
    topics: usize,
    prior: f64,
    /// The greatest number of iterations, and the mean change below which they end.
    rounds: usize,
    tolerance: f64,
}

/// Working memory for one document.
struct Room {
    counts: Vec<(usize, f64)>,
    shares: Vec<f64>,
    last: Vec<f64>,
    /// The exponentials of the expected logarithms of the shares.
    expected: Vec<f64>,
}

/// `LatentDirichletAllocation`
pub fn allocation(view: View<'_>) -> Made<Estimator> {
    let (by_topic, topics, width) = view.matrix_of("exp_dirichlet_component_")?;
    if view.is_single("components_") || view.is_single("exp_dirichlet_component_") {
        return python("LatentDirichletAllocation: in single precision");
    }
    let words = (0..width).flat_map(|word| by_topic.iter().skip(word).step_by(width.max(1)).copied()).collect();
    let prior = view.float_of("doc_topic_prior_")?;
    let (rounds, tolerance) = (view.count_of("max_doc_update_iter")?, view.float_of("mean_change_tol")?);
    Step::of_width(view, width, Some(Allow::Finite), Topics { words, topics, prior, rounds, tolerance })
}

impl Topics {
    /// The variational Bayes of M. D. Hoffman, D. M. Blei, F. Bach, "Online learning for latent Dirichlet allocation" (2010),
    /// algorithm 2, for one document; its shares are left in the working memory.
    fn infer(&self, room: &mut Room) {
        room.shares.fill(1.0);
        expect(&room.shares, &mut room.expected);
        for _ in 0..self.rounds {
            std::mem::swap(&mut room.last, &mut room.shares);
            room.shares.fill(0.0);
            for &(word, count) in &room.counts {
                let weights = &self.words[word * self.topics..][..self.topics];
                let likely: f64 = weights.iter().zip(&room.expected).map(|(weight, expected)| weight * expected).sum();
                let count = count / (likely + f64::EPSILON);
                room.shares.iter_mut().zip(weights).for_each(|(share, weight)| *share += count * weight);
            }
            let updated = room.shares.iter_mut().zip(&room.expected);
            updated.for_each(|(share, expected)| *share = expected * *share + self.prior);
            expect(&room.shares, &mut room.expected);
            let change: f64 = room.shares.iter().zip(&room.last).map(|(share, last)| (share - last).abs()).sum();
            if change / (self.topics as f64) < self.tolerance {
                break;
            }
        }
        let sum: f64 = room.shares.iter().sum();
        room.shares.iter_mut().for_each(|share| *share /= sum);
    }
}

/// The exponentials of the expected logarithms of shares with a Dirichlet distribution.
fn expect(shares: &[f64], out: &mut [f64]) {
    let sum = short_digamma(shares.iter().sum());
    out.iter_mut().zip(shares).for_each(|(out, share)| *out = (short_digamma(*share) - sum).exp());
}

impl Transform for Topics {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        out.reset(input.rows(), self.topics, Kind::Double);
        let zeros = || vec![0.0; self.topics];
        let mut room = Room { counts: Vec::new(), shares: zeros(), last: zeros(), expected: zeros() };
        for row in 0..input.rows() {
            room.counts.clear();
            match input.sparse() {
                Some(sparse) => room.counts.extend(sparse.row(row)),
                None => room.counts.extend((0..input.width()).map(|column| (column, input.at(row, column)))),
            }
            room.counts.retain(|(_, count)| *count != 0.0);
            if room.counts.iter().any(|(_, count)| *count < 0.0) {
                let message = "Negative values in data passed to LatentDirichletAllocation.transform";
                return Err(out_of_range(message, row));
            }
            self.infer(&mut room);
            room.shares.iter().enumerate().for_each(|(topic, share)| out.column_mut(topic)[row] = *share);
        }
        Ok(())
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn memory(&self) -> usize {
        self.words.len() * 8
    }
}
