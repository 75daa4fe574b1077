//! scipy's matrices in CSR format, which estimators have as attributes that are mostly zeros.

use super::{
    obstacle::{Made, python},
    view::View,
};

/// How many numbers a matrix may have, zeros included.
const MAX_NUMBERS: usize = 1 << 26;

/// The names of scipy's classes.
pub const CLASSES: [&str; 3] = ["scipy.sparse._csr.csr_array", "scipy.sparse._csr.csr_matrix", "scipy.sparse.csr.csr_matrix"];

/// The dense matrix, its number of rows and its number of columns.
pub fn spread<C>(matrix: View<'_, C>) -> Made<(Vec<f64>, usize, usize)> {
    let lengths: Option<Vec<usize>> = matrix.get("_shape")?.ints()?.into_iter().map(|length| length.try_into().ok()).collect();
    let Some(&[rows, columns]) = lengths.as_deref() else { return matrix.wrong("a matrix of two dimensions") };
    let Some(count) = rows.checked_mul(columns).filter(|count| *count <= MAX_NUMBERS) else {
        return python(format!("a sparse matrix of {rows} x {columns}, more than {MAX_NUMBERS} numbers"));
    };
    let (ends, places, values) = (matrix.get("indptr")?.ints()?, matrix.get("indices")?.ints()?, matrix.get("data")?.floats()?);
    if ends.len() != rows + 1 || places.len() != values.len() {
        return matrix.wrong("a sparse matrix whose parts fit together");
    }
    let mut spread = vec![0.0; count];
    for (row, ends) in ends.windows(2).enumerate() {
        let within = usize::try_from(ends[0]).ok().zip(usize::try_from(ends[1]).ok());
        let Some((places, values)) = within.and_then(|(from, to)| Some((places.get(from..to)?, values.get(from..to)?))) else {
            return matrix.wrong("a sparse matrix whose rows lie inside it");
        };
        for (place, value) in places.iter().zip(values) {
            match usize::try_from(*place).ok().filter(|column| *column < columns) {
                // Duplicate entries are summed.
                Some(column) => spread[row * columns + column] += value,
                None => return matrix.wrong("a sparse matrix whose columns lie inside it"),
            }
        }
    }
    Ok((spread, rows, columns))
}
