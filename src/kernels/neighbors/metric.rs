//! Distances between rows.

use crate::kernels::block::Block;

/// A distance. What is compared is a *reduced* distance, which is cheaper and orders rows in the same way: the sum without its
/// root.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// Euclidean: the root of the sum of squares.
    Euclidean,
    /// Manhattan: the sum of absolute differences.
    Manhattan,
    /// Chebyshev: the greatest absolute difference.
    Chebyshev,
    /// Minkowski: the root of this degree of the sum of powers.
    Minkowski(f64),
    /// Cosine: 1 minus the cosine of the angle.
    Cosine,
}

/// Scales a row to length 1; a row of zeros stays as it is.
pub(super) fn normalize(row: &mut [f64]) {
    let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|value| *value /= length);
    }
}

/// The cosine distance of two rows of length 1 from their product.
fn angular(product: f64) -> f64 {
    (1.0 - product).clamp(0.0, 2.0)
}

impl Metric {
    /// The reduced distance of two rows; of length 1 for [`Metric::Cosine`].
    pub(super) fn between(self, a: &[f64], b: &[f64]) -> f64 {
        let differences = a.iter().zip(b).map(|(a, b)| a - b);
        match self {
            Self::Euclidean => differences.fold(0.0, |sum, difference| sum + difference * difference),
            Self::Manhattan => differences.fold(0.0, |sum, difference| sum + difference.abs()),
            Self::Chebyshev => differences.fold(0.0, |greatest: f64, difference| greatest.max(difference.abs())),
            Self::Minkowski(degree) => differences.fold(0.0, |sum, difference| sum + difference.abs().powf(degree)),
            Self::Cosine => angular(a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)),
        }
    }

    /// What [`Metric::distances`] needs to know of the rows: their lengths, for cosines.
    pub(super) fn lengths(self, input: &Block, out: &mut [f64]) {
        if self != Self::Cosine {
            return;
        }
        out.fill(0.0);
        for column in input.columns() {
            out.iter_mut().zip(column).for_each(|(sum, value)| *sum += value * value);
        }
        out.iter_mut().for_each(|sum| *sum = if *sum > 0.0 { sum.sqrt() } else { 1.0 });
    }

    /// The reduced distances of all rows to a point.
    pub(super) fn distances(self, input: &Block, point: &[f64], lengths: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (column, &place) in input.columns().zip(point) {
            let values = out.iter_mut().zip(column);
            match self {
                Self::Euclidean => values.for_each(|(sum, value)| *sum += (value - place) * (value - place)),
                Self::Manhattan => values.for_each(|(sum, value)| *sum += (value - place).abs()),
                Self::Chebyshev => values.for_each(|(greatest, value)| *greatest = greatest.max((value - place).abs())),
                Self::Minkowski(degree) => values.for_each(|(sum, value)| *sum += (value - place).abs().powf(degree)),
                Self::Cosine => values.zip(lengths).for_each(|((sum, value), length)| *sum += value / length * place),
            }
        }
        if self == Self::Cosine {
            out.iter_mut().for_each(|product| *product = angular(*product));
        }
    }

    /// The distance that belongs to a reduced one.
    pub(super) fn full(self, reduced: f64) -> f64 {
        match self {
            Self::Euclidean => reduced.sqrt(),
            Self::Minkowski(degree) => reduced.powf(1.0 / degree),
            _ => reduced,
        }
    }

    /// The reduced form of a distance.
    pub(super) fn reduced(self, distance: f64) -> f64 {
        match self {
            Self::Euclidean => distance * distance,
            Self::Minkowski(degree) => distance.powf(degree),
            _ => distance,
        }
    }
}
