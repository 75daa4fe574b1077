//! Rows of very many columns, of which few are not zero.

use super::block::{Block, Kind};

/// The values of rows that are not zero, row by row, each with its column. A column comes once a row.
#[derive(Debug, Default)]
pub struct Sparse {
    width: usize,
    /// Where each row ends.
    ends: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Sparse {
    /// No rows, of so many columns.
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

    /// Adds a value to the row that is being made.
    pub fn push(&mut self, column: usize, value: f64) {
        self.columns.push(column as u32);
        self.values.push(value);
    }

    /// Ends the row that is being made.
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

    /// A row's columns and values, these to write.
    pub fn row_mut(&mut self, row: usize) -> (&[u32], &mut [f64]) {
        let place = self.place(row);
        (&self.columns[place.clone()], &mut self.values[place])
    }

    /// All values, the rows' one after another.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The same rows as columns, zeros and all.
    pub fn spread(&self, out: &mut Block) {
        out.reset_zeros(self.rows(), self.width, Kind::Double);
        for row in 0..self.rows() {
            for (column, value) in self.row(row) {
                out.column_mut(column)[row] = value;
            }
        }
    }
}

/// Adds what a block holds of a row, dense or sparse, from a column on; zeros are left out.
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
