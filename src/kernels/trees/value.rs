//! The floating-point types that trees compare and sum.

use std::ops::{AddAssign, BitXor};

use super::Test;
#[cfg(target_arch = "x86_64")]
use super::vectors::{Add, Look};
use crate::kernels::columns::Real;

/// On other CPUs than x86-64 these traits ask for nothing.
#[cfg(not(target_arch = "x86_64"))]
pub trait Look {}
#[cfg(not(target_arch = "x86_64"))]
impl<T> Look for T {}
#[cfg(not(target_arch = "x86_64"))]
pub trait Add {}
#[cfg(not(target_arch = "x86_64"))]
impl<T> Add for T {}

/// The type in which values are compared: `f32` or `f64`.
pub trait Value: Real + Look + PartialOrd + Default + Send + Sync + 'static {
    /// Zero.
    const ZERO: Self;
    /// The same number.
    fn double(self) -> f64;
    /// Whether it is NaN.
    fn is_nan(self) -> bool;
    /// The greatest value that is not above a threshold.
    fn at_most(threshold: f64) -> Self;
    /// The next smaller value.
    fn next_down(self) -> Self;
    /// A value together with a number, in one unsigned integer whose order is the order of the values.
    type Ranked: Ord + Copy + Default + From<u64> + BitXor<Output = Self::Ranked> + Send + Sync;
    /// Greater than every value with every number. It stands for NaN where missing values go right.
    const ABOVE: Self::Ranked;
    /// A value together with a number. The value is not NaN; 0.0 and -0.0 count as one value.
    fn ranked(self, number: u32) -> Self::Ranked;
    /// The value and the number.
    fn of_ranked(ranked: Self::Ranked) -> (Self, u32);
    /// Whether a value, ranked with the number 0, is greater than another value, ranked with any number.
    fn is_above(value: Self::Ranked, ranked: Self::Ranked) -> bool;
    /// The lowest 64 bits. The number is in the lowest 32 of them.
    fn low(ranked: Self::Ranked) -> u64;

    /// The greatest value that a test by a threshold sends left; NaN where it sends none.
    fn cut(test: Test) -> Self {
        match test {
            Test::AtMost(threshold) => Self::at_most(threshold),
            Test::Less(threshold) => {
                let cut = Self::at_most(threshold);
                match cut.double() < threshold {
                    true => cut,
                    false if threshold == f64::NEG_INFINITY => Self::NAN,
                    false => cut.next_down(),
                }
            }
            Test::In(_) | Test::NotIn(_) => Self::NAN,
        }
    }
}

/// The type in which leaves are summed: `f32` or `f64`.
pub trait Sum: Add + Copy + Default + AddAssign + Send + Sync + 'static {}

impl Sum for f32 {}
impl Sum for f64 {}

/// Implements [`Value::Ranked`]. The high half is the bit pattern of the value, changed so that its order as an unsigned integer
/// is the order of the values: all bits of negative values are inverted, of the others only the sign bit. The low half is the
/// number.
macro_rules! ranked {
    ($bits:ty, $ranked:ty, $above:expr) => {
        type Ranked = $ranked;
        const ABOVE: $ranked = <$ranked>::MAX;

        #[inline]
        fn ranked(self, number: u32) -> $ranked {
            let bits = (self + 0.0).to_bits();
            let order = if bits >> (<$bits>::BITS - 1) == 1 { !bits } else { bits | 1 << (<$bits>::BITS - 1) };
            <$ranked>::from(order) << <$bits>::BITS | <$ranked>::from(number)
        }

        #[inline]
        fn of_ranked(ranked: $ranked) -> (Self, u32) {
            let order = (ranked >> <$bits>::BITS) as $bits;
            let positive = order >> (<$bits>::BITS - 1) == 1;
            (Self::from_bits(if positive { order ^ 1 << (<$bits>::BITS - 1) } else { !order }), ranked as u32)
        }

        #[inline(always)]
        fn is_above(value: $ranked, ranked: $ranked) -> bool {
            $above(value, ranked)
        }

        #[inline(always)]
        fn low(ranked: $ranked) -> u64 {
            ranked as u64
        }
    };
}

impl Value for f32 {
    const ZERO: Self = 0.0;
    ranked!(u32, u64, |value, ranked| value > ranked);

    fn double(self) -> f64 {
        self.into()
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn at_most(threshold: f64) -> Self {
        let nearest = threshold as Self;
        if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
    }

    fn next_down(self) -> Self {
        self.next_down()
    }
}

impl Value for f64 {
    const ZERO: Self = 0.0;
    ranked!(u64, u128, |value: u128, ranked: u128| (value >> 64) as u64 > (ranked >> 64) as u64);

    fn double(self) -> f64 {
        self
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn at_most(threshold: f64) -> Self {
        threshold
    }

    fn next_down(self) -> Self {
        self.next_down()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_in_the_order_of_the_values() {
        let values = [f32::NEG_INFINITY, f32::MIN, -1.5, -1e-40, 0.0, 1e-40, 1.5, f32::MAX, f32::INFINITY];
        // The later the value, the smaller the number.
        let numbered = |at: usize| (values[at], u32::MAX - at as u32);
        let single = |at| numbered(at).0.ranked(numbered(at).1);
        let double = |at| f64::from(numbered(at).0).ranked(numbered(at).1);
        assert!((0..values.len()).is_sorted_by_key(single) && (0..values.len()).is_sorted_by_key(double));
        for at in 0..values.len() {
            let (value, number) = numbered(at);
            assert_eq!(f32::of_ranked(single(at)), (value, number));
            assert_eq!(f64::of_ranked(double(at)), (value.into(), number));
        }
        assert_eq!((-0.0f32).ranked(7), 0.0f32.ranked(7));
    }

    #[test]
    fn cuts_in_single_precision_decide_as_the_threshold_does() {
        let around = |threshold: f64| {
            let near = threshold as f32;
            [near.next_down().next_down(), near.next_down(), near, near.next_up(), near.next_up().next_up()]
        };
        let thresholds =
            [0.1, -0.1, 0.0, -0.0, 1e-50, -1e-50, 1e300, -1e300, f64::INFINITY, f64::NEG_INFINITY, 16_777_217.0, f64::NAN];
        for threshold in thresholds {
            for value in around(threshold).into_iter().chain([0.0, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY]) {
                let wide = f64::from(value);
                assert_eq!(value <= f32::cut(Test::AtMost(threshold)), wide <= threshold, "{value} <= {threshold}");
                assert_eq!(value <= f32::cut(Test::Less(threshold)), wide < threshold, "{value} < {threshold}");
                assert_eq!(wide <= f64::cut(Test::Less(threshold)), wide < threshold, "{value} < {threshold}");
            }
        }
    }
}
