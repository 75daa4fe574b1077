//! From raw scores to predictions: the inverse links of LightGBM's objectives, in double precision and by the same steps as in
//! LightGBM.
//!
//! `exp` and `log1p` are the C library's, as they are for LightGBM: on one machine both give the same bits.

/// What turns the scores of a row into its predictions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Response {
    /// The scores themselves.
    Raw,
    /// x² with the sign of x.
    SignedSquare,
    /// 1 / (1 + exp(-s x)), for each output by itself.
    Sigmoid(f64),
    /// exp(x)
    Exp,
    /// ln(1 + exp(x))
    Softplus,
    /// Probabilities over the outputs.
    Softmax,
}

impl Response {
    /// Replaces the scores of `rows` rows by their predictions; `scores` is one run of `stride` for each output.
    pub fn apply(self, scores: &mut [f64], stride: usize, rows: usize) {
        let each = |scores: &mut [f64], response: &dyn Fn(f64) -> f64| {
            for column in scores.chunks_exact_mut(stride) {
                column[..rows].iter_mut().for_each(|value| *value = response(*value));
            }
        };
        match self {
            Self::Raw => {}
            Self::SignedSquare => each(scores, &signed_square),
            Self::Sigmoid(steepness) => each(scores, &|x| 1.0 / (1.0 + (-steepness * x).exp())),
            Self::Exp => each(scores, &f64::exp),
            Self::Softplus => each(scores, &|x| x.exp().ln_1p()),
            Self::Softmax => (0..rows).for_each(|row| softmax(scores, stride, row)),
        }
    }
}

fn signed_square(x: f64) -> f64 {
    let sign = f64::from(i8::from(x > 0.0) - i8::from(x < 0.0));
    sign * x * x
}

fn softmax(scores: &mut [f64], stride: usize, row: usize) {
    let scores_of_row = scores.iter().skip(row).step_by(stride).copied();
    // A NaN replaces the greatest and is replaced, as in std::max.
    let greatest = scores_of_row.reduce(|greatest, x| if x < greatest { greatest } else { x }).unwrap_or(0.0);
    let mut sum = 0.0;
    for value in scores.iter_mut().skip(row).step_by(stride) {
        *value = (*value - greatest).exp();
        sum += *value;
    }
    scores.iter_mut().skip(row).step_by(stride).for_each(|value| *value /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_work_on_columns() {
        // Two outputs, stride 3, two rows: (1, 2) and (-5, 3).
        let mut scores = [1.0, -5.0, 9.0, 2.0, 3.0, 9.0];
        Response::SignedSquare.apply(&mut scores, 3, 2);
        assert_eq!(scores, [1.0, -25.0, 9.0, 4.0, 9.0, 9.0]);
        let mut scores = [0.0, 1.0, 9.0, 0.0, 1.0, 9.0];
        Response::Softmax.apply(&mut scores, 3, 2);
        assert_eq!(scores, [0.5, 0.5, 9.0, 0.5, 0.5, 9.0]);
        let mut scores = [0.0, f64::NAN, 800.0];
        Response::Sigmoid(2.0).apply(&mut scores, 3, 3);
        assert!(scores[0] == 0.5 && scores[1].is_nan() && scores[2] == 1.0);
        let mut scores = [-0.0, 0.0];
        Response::SignedSquare.apply(&mut scores, 2, 2);
        assert_eq!(scores.map(f64::to_bits), [0, 0]);
    }
}
