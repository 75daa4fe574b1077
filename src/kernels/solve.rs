//! Linear equations with a symmetric positive definite matrix.

/// Solves `matrix @ x = sides`: `count` rows each, one after another. `None` where the lengths do not fit or the matrix is not
/// positive definite.
pub fn positive(mut matrix: Vec<f64>, mut sides: Vec<f64>, count: usize) -> Option<Vec<f64>> {
    let fits = count > 0 && count.checked_mul(count) == Some(matrix.len()) && sides.len().is_multiple_of(count);
    if !fits {
        return None;
    }
    let width = sides.len() / count;
    // The lower triangle becomes the Cholesky factor.
    for row in 0..count {
        for column in 0..=row {
            let done: f64 = (0..column).map(|at| matrix[row * count + at] * matrix[column * count + at]).sum();
            let rest = matrix[row * count + column] - done;
            matrix[row * count + column] = if row == column { rest.sqrt() } else { rest / matrix[column * count + column] };
        }
        if matrix[row * count + row].is_nan() || matrix[row * count + row] <= 0.0 {
            return None;
        }
    }
    for side in 0..width {
        for row in 0..count {
            let done: f64 = (0..row).map(|at| matrix[row * count + at] * sides[at * width + side]).sum();
            sides[row * width + side] = (sides[row * width + side] - done) / matrix[row * count + row];
        }
        for row in (0..count).rev() {
            let done: f64 = (row + 1..count).map(|at| matrix[at * count + row] * sides[at * width + side]).sum();
            sides[row * width + side] = (sides[row * width + side] - done) / matrix[row * count + row];
        }
    }
    Some(sides)
}

#[cfg(test)]
mod tests {
    use super::positive;

    #[test]
    fn what_is_solved_for_comes_back() {
        // [[4, 2], [2, 3]] @ [[1, -2], [0.5, 3]]
        let solved = positive(vec![4.0, 2.0, 2.0, 3.0], vec![5.0, -2.0, 3.5, 5.0], 2).unwrap();
        for (found, wanted) in solved.iter().zip([1.0, -2.0, 0.5, 3.0]) {
            assert!((found - wanted).abs() < 1e-15, "{solved:?}");
        }
        assert_eq!(positive(vec![1.0, 2.0, 2.0, 1.0], vec![1.0, 1.0], 2), None);
        assert_eq!(positive(vec![1.0], vec![1.0; 3], 2), None);
    }
}
