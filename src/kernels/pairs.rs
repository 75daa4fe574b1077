//! One-vs-one classification: the scores of pairs of classes become votes for classes.

use super::block::{Block, Kind};

/// The number of a pair of classes, the first of which is less than the second.
pub fn place(first: usize, second: usize, classes: usize) -> usize {
    first * (2 * classes - first - 1) / 2 + second - first - 1
}

/// The votes for each class. Each score belongs to one pair, and `second` says whether it is a vote for the second class of the
/// pair. With `confident`, the sum of the scores is added, scaled to less than a third of a vote, to decide between equal numbers
/// of votes.
pub fn votes(scores: &Block, second: impl Fn(f64) -> bool, classes: usize, confident: bool, out: &mut Block) {
    out.reset(scores.rows(), classes, Kind::Double);
    for class in 0..classes {
        for row in 0..scores.rows() {
            let (mut votes, mut sum) = (0.0, 0.0);
            for other in (0..classes).filter(|other| *other != class) {
                let score = scores.at(row, place(class.min(other), class.max(other), classes));
                let is_second = other < class;
                votes += f64::from(u8::from(second(score) == is_second));
                sum += if is_second { score } else { -score };
            }
            out.column_mut(class)[row] = if confident { votes + sum / (3.0 * (f64::abs(sum) + 1.0)) } else { votes };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_row_by_row() {
        let pairs: Vec<usize> = (0..4).flat_map(|a| (a + 1..4).map(move |b| place(a, b, 4))).collect();
        assert_eq!(pairs, [0, 1, 2, 3, 4, 5]);
    }
}
