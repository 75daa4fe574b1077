//! Rows with very many columns, most of which are zero.

use super::block::{Block, Kind};

/// The values that are not zero, row by row, each with its column. A row has at most one value for each column.
#[derive(Debug, Default)]
pub struct Sparse {
    width: usize,
    /// Where each row ends.
    ends: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Sparse {
    /// Becomes a matrix of `width` columns without rows.
    pub(super) fn reset(&mut self, width: usize) {
        self.width = width;
        self.ends.clear();
        self.columns.clear();
        self.values.clear();
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Adds a value to the row that is not yet ended.
    pub fn push(&mut self, column: usize, value: f64) {
        self.columns.push(column as u32);
        self.values.push(value);
    }

    /// Ends a row; the next value begins another one.
    pub fn end_row(&mut self) {
        self.ends.push(self.columns.len());
    }

    fn place(&self, row: usize) -> std::ops::Range<usize> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[row]
    }

    /// A row's columns and values.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let place = self.place(row);
        let columns = self.columns[place.clone()].iter().map(|&column| column as usize);
        columns.zip(self.values[place].iter().copied())
    }

    /// A row's columns, and its values to be changed.
    pub fn row_mut(&mut self, row: usize) -> (&[u32], &mut [f64]) {
        let place = self.place(row);
        (&self.columns[place.clone()], &mut self.values[place])
    }

    /// All values, the rows' one after another.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Writes the same rows to a dense block.
    pub fn spread(&self, out: &mut Block) {
        out.reset_zeros(self.rows(), self.width, Kind::Double);
        for row in 0..self.rows() {
            for (column, value) in self.row(row) {
                out.column_mut(column)[row] = value;
            }
        }
    }
}

/// Adds a row of a block, dense or sparse, times a factor to the row that is not yet ended. Its first column becomes column
/// `first`; zeros are left out.
pub fn add(from: &Block, row: usize, first: usize, weight: f64, to: &mut Sparse) {
    match from.sparse() {
        Some(sparse) => sparse.row(row).for_each(|(column, value)| to.push(first + column, value * weight)),
        None => {
            for (column, values) in from.columns().enumerate() {
                if values[row] != 0.0 {
                    to.push(first + column, values[row] * weight);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_spread_to_columns_and_back() {
        let mut block = Block::default();
        let sparse = block.reset_sparse(3, 5);
        sparse.push(4, 2.0);
        sparse.push(1, -1.0);
        sparse.end_row();
        sparse.end_row();
        sparse.push(0, 0.5);
        sparse.end_row();
        assert_eq!((block.rows(), block.width()), (3, 5));
        let mut dense = Block::default();
        block.sparse().unwrap().spread(&mut dense);
        assert_eq!(dense.column(4), [2.0, 0.0, 0.0]);
        assert_eq!(dense.column(0), [0.0, 0.0, 0.5]);
        let mut again = Block::default();
        let to = again.reset_sparse(3, 7);
        for row in 0..3 {
            add(&dense, row, 2, 10.0, to);
            to.end_row();
        }
        assert_eq!(again.sparse().unwrap().row(0).collect::<Vec<_>>(), [(3, -10.0), (6, 20.0)]);
        assert_eq!(again.sparse().unwrap().row(1).count(), 0);
    }
}
