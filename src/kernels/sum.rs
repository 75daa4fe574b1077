//! Sums with the same rounding as in numpy.

/// Up to how many numbers are added in one go; longer runs are halved.
const RUN: usize = 128;

/// What `numpy.sum` gives for contiguous numbers: pairwise summation of runs, each of which is added in eight partial sums.
pub fn pairwise(values: &[f64]) -> f64 {
    if values.len() < 8 {
        return values.iter().fold(0.0, |sum, value| sum + value);
    }
    if values.len() > RUN {
        let half = values.len() / 2;
        let (left, right) = values.split_at(half - half % 8);
        return pairwise(left) + pairwise(right);
    }
    let mut sums = [0.0; 8];
    sums.copy_from_slice(&values[..8]);
    let runs = values[8..].chunks_exact(8);
    let rest = runs.remainder();
    for run in runs {
        sums.iter_mut().zip(run).for_each(|(sum, value)| *sum += value);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::pairwise;

    #[test]
    fn sums_are_numpys() {
        // numpy.sum((arange(n) + 1) ** -1.0), to the bit.
        let sum = |count: u32| pairwise(&(1..=count).map(|at| 1.0 / f64::from(at)).collect::<Vec<_>>());
        assert_eq!(
            [sum(5), sum(20), sum(300)].map(f64::to_bits),
            [0x4002_4444_4444_4444, 0x400c_c82b_bab7_a28b, 0x4019_2172_a3e6_965a]
        );
    }
}
