//! From margins to predictions: the inverse links of boosted models, in single precision and by the same steps as in XGBoost.
//!
//! `exp`, `log` and `log1p` are the C library's, as they are for XGBoost: on one machine both give the same bits.

/// XGBoost's `kRtEps`.
const EPSILON: f32 = 1e-6;

/// What turns the margins of a row into its predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The margins themselves.
    Identity,
    /// 1 / (1 + exp(-x))
    Logistic,
    /// exp(x)
    Exp,
    /// 1 where the margin is above 0, else 0.
    Hinge,
    /// Probabilities over the outputs.
    Softmax,
    /// The first output with the greatest margin.
    ArgMax,
    /// Quantiles of one row, sorted so that none crosses another.
    Sorted,
    /// Expectiles of one row: each output is a step above the last.
    Steps,
}

impl Link {
    /// How many predictions `outputs` margins give.
    pub fn width(self, outputs: usize) -> usize {
        if self == Self::ArgMax { 1 } else { outputs }
    }

    /// Applies the link to columns of `rows` margins each, `stride` apart. The answers take the place of the margins.
    pub fn apply(self, margins: &mut [f32], stride: usize, rows: usize) {
        let outputs = margins.len() / stride;
        let mut each = |link: fn(f32) -> f32| {
            for column in margins.chunks_exact_mut(stride) {
                column[..rows].iter_mut().for_each(|value| *value = link(*value));
            }
        };
        match self {
            Self::Identity => {}
            Self::Logistic => each(logistic),
            Self::Exp => each(f32::exp),
            Self::Hinge => each(|x| if x > 0.0 { 1.0 } else { 0.0 }),
            Self::Softmax | Self::ArgMax | Self::Sorted | Self::Steps => {
                let mut row = vec![0.0; outputs];
                for at in 0..rows {
                    row.iter_mut().zip(margins.iter().skip(at).step_by(stride)).for_each(|(to, from)| *to = *from);
                    match self {
                        Self::Softmax => softmax(&mut row),
                        Self::ArgMax => row[0] = first_greatest(&row) as f32,
                        Self::Sorted => insertion_sort(&mut row),
                        _ => steps(&mut row),
                    }
                    margins.iter_mut().skip(at).step_by(stride).zip(&row).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }

    /// Turns the intercept of a model into the margin that the trees add to: the inverse of the link, where XGBoost applies it.
    pub fn to_margin(self, intercept: &mut [f32]) {
        match self {
            Self::Logistic => intercept.iter_mut().for_each(|x| *x = -(1.0 / x.clamp(EPSILON, 1.0 - EPSILON) - 1.0).ln()),
            Self::Exp => intercept.iter_mut().for_each(|x| *x = x.ln()),
            Self::Steps => {
                for at in (1..intercept.len()).rev() {
                    let gap = (intercept[at] - intercept[at - 1] - EPSILON).max(EPSILON);
                    intercept[at] = gap + (-(-gap).exp_m1()).ln();
                }
            }
            _ => {}
        }
    }
}

fn logistic(x: f32) -> f32 {
    let negative = -x;
    // The order of the comparison lets NaN through, as std::min does.
    let bounded = if 88.7 < negative { 88.7 } else { negative };
    1.0 / (bounded.exp() + 1.0 + 1e-16)
}

fn softmax(row: &mut [f32]) {
    let greatest = row.iter().copied().fold(row[0], f32::max);
    let mut sum = 0.0f64;
    for value in row.iter_mut() {
        *value = (*value - greatest).exp();
        sum += f64::from(*value);
    }
    let sum = sum as f32;
    row.iter_mut().for_each(|value| *value /= sum);
}

fn first_greatest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

fn insertion_sort(row: &mut [f32]) {
    for from in 1..row.len() {
        let value = row[from];
        let mut at = from;
        while at > 0 && row[at - 1] > value {
            row[at] = row[at - 1];
            at -= 1;
        }
        row[at] = value;
    }
}

fn steps(row: &mut [f32]) {
    let mut last = row[0];
    for value in &mut row[1..] {
        let x = *value;
        let step = if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() };
        last += EPSILON + step;
        *value = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_work_on_columns() {
        // Two outputs, stride 3, two rows: (1, 2) and (5, 3).
        let mut margins = [1.0, 5.0, 9.0, 2.0, 3.0, 9.0];
        Link::ArgMax.apply(&mut margins, 3, 2);
        assert_eq!(margins[..2], [1.0, 0.0]);
        let mut margins = [1.0, 5.0, 9.0, 2.0, 3.0, 9.0];
        Link::Sorted.apply(&mut margins, 3, 2);
        assert_eq!(margins, [1.0, 3.0, 9.0, 2.0, 5.0, 9.0]);
        let mut margins = [0.0, -200.0, f32::NAN];
        Link::Logistic.apply(&mut margins, 3, 3);
        assert_eq!(margins[0], 0.5);
        assert!(margins[1] > 0.0 && margins[1] < 1e-38 && margins[2].is_nan());
    }

    #[test]
    fn margins_invert_links() {
        let mut half = [0.5];
        Link::Logistic.to_margin(&mut half);
        assert_eq!(half, [0.0]);
        let mut edge = [0.0];
        Link::Logistic.to_margin(&mut edge);
        assert!(edge[0].is_finite());
    }
}
