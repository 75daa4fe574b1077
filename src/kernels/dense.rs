//! Linear maps over blocks, and the functions that make predictions of their results.

use super::{
    block::{Block, Kind, round},
    sparse::Sparse,
};

/// Weights of a linear map: `outputs` rows of `inputs` numbers, and one number added to each output.
#[derive(Debug, Clone)]
pub struct Affine {
    inputs: usize,
    weights: Vec<f64>,
    bias: Vec<f64>,
    single: bool,
}

impl Affine {
    /// `None` where the lengths do not agree. `single` says that the weights are of single precision.
    pub fn new(inputs: usize, weights: Vec<f64>, bias: Vec<f64>, single: bool) -> Option<Self> {
        let fits = !bias.is_empty() && inputs.checked_mul(bias.len()) == Some(weights.len());
        fits.then_some(Self { inputs, weights, bias, single })
    }

    /// Columns it takes.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Columns it gives.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        (self.weights.len() + self.bias.len()) * 8
    }

    /// The map of a block of as many columns as it takes.
    pub fn apply(&self, input: &Block, out: &mut Block) {
        if let Some(sparse) = input.sparse() {
            return self.apply_sparse(sparse, out);
        }
        let single = self.single && matches!(input.kind(), Kind::Single | Kind::Short | Kind::Bool);
        out.reset(input.rows(), self.outputs(), if single { Kind::Single } else { Kind::Double });
        for output in 0..self.outputs() {
            let sums = out.column_mut(output);
            sums.fill(0.0);
            add_products(&self.weights[output * self.inputs..][..self.inputs], input, sums);
            let bias = self.bias[output];
            sums.iter_mut().for_each(|sum| *sum += bias);
            if single {
                round(sums);
            }
        }
    }

    fn apply_sparse(&self, input: &Sparse, out: &mut Block) {
        out.reset(input.rows(), self.outputs(), Kind::Double);
        for (output, bias) in self.bias.iter().enumerate() {
            let weights = &self.weights[output * self.inputs..][..self.inputs];
            for (row, answer) in out.column_mut(output).iter_mut().enumerate() {
                *answer = input.row(row).map(|(column, value)| value * weights[column]).sum::<f64>() + bias;
            }
        }
    }
}

/// Adds each column times its weight, column after column; four at a time, so that a sum is loaded and stored a quarter as often.
fn add_products(weights: &[f64], input: &Block, sums: &mut [f64]) {
    let (fours, rest) = weights.as_chunks::<4>();
    for (at, &[a, b, c, d]) in fours.iter().enumerate() {
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|column| input.column(at * 4 + column));
        let values = first.iter().zip(second).zip(third).zip(fourth);
        for (sum, (((first, second), third), fourth)) in sums.iter_mut().zip(values) {
            *sum = *sum + first * a + second * b + third * c + fourth * d;
        }
    }
    for (column, weight) in (fours.len() * 4..).zip(rest) {
        sums.iter_mut().zip(input.column(column)).for_each(|(sum, value)| *sum += value * weight);
    }
}

/// 1 / (1 + exp(-x))
pub fn expit(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Divides the exponentials of each row by their sum. The greatest value is subtracted first.
pub fn softmax(block: &mut Block) {
    let single = block.kind() == Kind::Single;
    for row in 0..block.rows() {
        let width = block.width();
        let greatest = (0..width).map(|column| block.at(row, column)).fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for column in 0..width {
            let value = &mut block.column_mut(column)[row];
            *value = (*value - greatest).exp();
            sum += *value;
        }
        for column in 0..width {
            block.column_mut(column)[row] /= sum;
        }
    }
    if single {
        (0..block.width()).for_each(|column| round(block.column_mut(column)));
    }
}

/// Divides each row by its sum.
pub fn divide_by_sums(block: &mut Block) {
    for row in 0..block.rows() {
        let sum: f64 = (0..block.width()).map(|column| block.at(row, column)).sum();
        (0..block.width()).for_each(|column| block.column_mut(column)[row] /= sum);
    }
}

/// Divides each row by its sum; a row of zeros becomes `1 / width`.
pub fn normalize(block: &mut Block) {
    let width = block.width();
    for row in 0..block.rows() {
        let sum: f64 = (0..width).map(|column| block.at(row, column)).sum();
        for column in 0..width {
            let value = &mut block.column_mut(column)[row];
            *value = if sum == 0.0 { 1.0 / width as f64 } else { *value / sum };
        }
    }
}

/// The column of the greatest value of each row, the first of equal ones, or that of the first NaN.
pub fn argmax(scores: &Block, out: &mut Block) {
    out.reset(scores.rows(), 1, Kind::Class);
    let best = out.column_mut(0);
    best.fill(0.0);
    for column in 1..scores.width() {
        for (row, best) in best.iter_mut().enumerate() {
            if beats(scores.at(row, column), scores.at(row, *best as usize)) {
                *best = column as f64;
            }
        }
    }
}

/// The same for one row of columns that are not in a block.
pub fn greatest<T: PartialOrd + Copy>(columns: &[Vec<T>], row: usize) -> usize {
    (1..columns.len()).fold(0, |best, at| if beats(columns[at][row], columns[best][row]) { at } else { best })
}

/// Whether a value takes the place of the greatest before it, as in numpy's `argmax`: NaN does, and is never beaten.
fn beats<T: PartialOrd>(value: T, greatest: T) -> bool {
    let is_nan = |value: &T| value.partial_cmp(value).is_none();
    !is_nan(&greatest) && (value > greatest || is_nan(&value))
}

/// The class of each row: that of the greatest score, or with one column of scores the positive class where it is above zero.
pub fn decide(scores: &Block, out: &mut Block) {
    if scores.width() != 1 {
        return argmax(scores, out);
    }
    out.reset(scores.rows(), 1, Kind::Class);
    for (class, score) in out.column_mut(0).iter_mut().zip(scores.column(0)) {
        *class = f64::from(u8::from(*score > 0.0));
    }
}

/// The probabilities of both classes from a column with that of the positive class.
pub fn both(positive: &Block, out: &mut Block) {
    out.reset(positive.rows(), 2, positive.kind());
    out.copy_column(1, positive, 0);
    for (negative, positive) in out.column_mut(0).iter_mut().zip(positive.column(0)) {
        *negative = 1.0 - positive;
    }
    if out.kind() == Kind::Single {
        round(out.column_mut(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_added_one_by_one_in_the_order_of_the_columns() {
        for inputs in 1..10 {
            let value = |row: usize, column: usize| 0.1 + (row * 31 + column * 17) as f64 / 7.0;
            let weights: Vec<f64> = (0..inputs).map(|column| 1.0 / (column + 3) as f64 - 0.2).collect();
            let (mut input, mut out) = (Block::default(), Block::default());
            input.reset(5, inputs, Kind::Double);
            for column in 0..inputs {
                input.column_mut(column).iter_mut().enumerate().for_each(|(row, place)| *place = value(row, column));
            }
            Affine::new(inputs, weights.clone(), vec![0.3], false).unwrap().apply(&input, &mut out);
            for (row, answer) in out.column(0).iter().enumerate() {
                let sum = (0..inputs).fold(0.0, |sum, column| sum + value(row, column) * weights[column]);
                assert_eq!(answer.to_bits(), (sum + 0.3).to_bits());
            }
        }
    }
}
