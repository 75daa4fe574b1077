//! Multivariate normal distributions, one for each class or component.

use super::{Work, discriminant::Scores};
use crate::kernels::{
    block::{Block, Kind},
    dense::Affine,
};

/// The logarithm of each density: a constant minus half the squared length of the result of a linear map.
pub struct Normals {
    pub maps: Vec<Affine>,
    pub constants: Vec<f64>,
}

/// The map `(x - mean) @ matrix`.
pub fn map(mean: &[f64], matrix: &[f64], outputs: usize) -> Option<Affine> {
    let inputs = mean.len();
    if matrix.len() != inputs * outputs {
        return None;
    }
    let (mut weights, mut bias) = (Vec::with_capacity(matrix.len()), Vec::with_capacity(outputs));
    for output in 0..outputs {
        let column = || (0..inputs).map(|input| matrix[input * outputs + output]);
        weights.extend(column());
        bias.push(-column().zip(mean).map(|(weight, mean)| weight * mean).sum::<f64>());
    }
    Affine::new(inputs, weights, bias, false)
}

impl Normals {
    fn likelihoods(&self, input: &Block, work: &mut Work, out: &mut Block) {
        out.reset(input.rows(), self.maps.len(), Kind::Double);
        let mut mapped = work.take();
        for (class, (map, constant)) in self.maps.iter().zip(&self.constants).enumerate() {
            map.apply(input, &mut mapped);
            let sums = out.column_mut(class);
            sums.fill(0.0);
            for column in mapped.columns() {
                sums.iter_mut().zip(column).for_each(|(sum, value)| *sum += value * value);
            }
            sums.iter_mut().for_each(|sum| *sum = constant - 0.5 * *sum);
        }
        work.give(mapped);
    }
}

impl Scores for Normals {
    fn classes(&self) -> usize {
        self.maps.len()
    }

    fn scores(&self, input: &Block, work: &mut Work, out: &mut Block) {
        self.likelihoods(input, work, out);
    }

    fn memory(&self) -> usize {
        self.maps.iter().map(Affine::memory).sum()
    }
}
