//! A block of rows by columns, stored column by column.

use std::ops::Range;

use arrow::buffer::ScalarBuffer;

use super::{places, sparse::Sparse};

/// What the values of a column are. All are held in double precision, which is exact for each kind up to 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Truth values.
    Bool,
    /// Whole numbers of at most 16 bits, which single precision holds exactly.
    Short,
    /// Whole numbers.
    Int,
    /// Single precision.
    Single,
    /// Double precision.
    Double,
    /// Python objects that are truth values or numbers, or `None` where one is missing.
    Object,
    /// Numbers that stand for texts.
    Symbol,
    /// The number of a class.
    Class,
}

impl Kind {
    /// The type numpy gives a matrix of columns of these two.
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Symbol, _) | (_, Self::Symbol) => Self::Symbol,
            (Self::Object, _) | (_, Self::Object) => Self::Double,
            (Self::Bool, b) => b,
            (a, Self::Bool) => a,
            (Self::Single, Self::Short) | (Self::Short, Self::Single) => Self::Single,
            (Self::Int, Self::Short) | (Self::Short, Self::Int) => Self::Int,
            _ => Self::Double,
        }
    }

    /// The kind of what scalers and decompositions make of such columns: single precision stays.
    pub fn float(self) -> Self {
        if self == Self::Single { Self::Single } else { Self::Double }
    }
}

/// A block. Its memory is reused for the next rows, so the places after its last row hold old values, which are never read.
///
/// A block of very many columns may be [`Sparse`] instead. It then has no kinds and no columns.
#[derive(Debug, Default)]
pub struct Block {
    rows: usize,
    /// How many places a column takes.
    stride: usize,
    kinds: Vec<Kind>,
    /// For each column the column of the batch that it is, or was computed from; for numbers that stand for texts, the column of
    /// these texts.
    sources: Vec<Option<usize>>,
    values: Vec<f64>,
    /// The columns that are read from the batch's own memory.
    lent: Vec<Option<ScalarBuffer<f64>>>,
    /// Which row of the batch is the first of the block.
    first: usize,
    sparse: Sparse,
    is_sparse: bool,
}

impl Block {
    /// Changes the size to `rows` and `width`; the values are whatever is in memory.
    pub fn reset(&mut self, rows: usize, width: usize, kind: Kind) {
        self.is_sparse = false;
        self.kinds.clear();
        self.kinds.resize(width, kind);
        self.sources.clear();
        self.sources.resize(width, None);
        self.lent.clear();
        self.make_rows(rows);
    }

    /// Changes the number of rows. Where all columns are lent it may stay 0.
    pub fn make_rows(&mut self, rows: usize) {
        self.rows = rows;
        self.stride = places(rows);
        self.make_room();
    }

    /// The same, with zero for every value of the rows.
    pub fn reset_zeros(&mut self, rows: usize, width: usize, kind: Kind) {
        self.reset(rows, width, kind);
        (0..width).for_each(|column| self.column_mut(column).fill(0.0));
    }

    /// Makes the list of values long enough for all columns. It is never shortened, as lengthening it again would fill it again.
    fn make_room(&mut self) {
        let places = self.kinds.len() * self.stride;
        if self.values.len() < places {
            self.values.resize(places, 0.0);
        }
    }

    /// Lends a column the values of all rows of a batch, which are not copied until the column is written to.
    #[inline]
    pub fn lend(&mut self, column: usize, values: ScalarBuffer<f64>) {
        if self.lent.len() <= column {
            self.lent.resize(self.kinds.len(), None);
        }
        self.lent[column] = Some(values);
    }

    /// Becomes a block of other rows of the batch, no more than it was made for. Lent columns have the values of these rows, the
    /// others whatever is in memory.
    pub fn advance(&mut self, rows: Range<usize>) {
        (self.first, self.rows) = (rows.start, rows.len());
    }

    /// Becomes a sparse block of `width` columns without rows; the caller adds `rows` of them.
    pub fn reset_sparse(&mut self, rows: usize, width: usize) -> &mut Sparse {
        self.reset(rows, 0, Kind::Double);
        self.is_sparse = true;
        self.sparse.reset(width);
        &mut self.sparse
    }

    /// The sparse form, of a block that is sparse.
    pub fn sparse(&self) -> Option<&Sparse> {
        self.is_sparse.then_some(&self.sparse)
    }

    /// The sparse form, to change its values.
    pub fn sparse_mut(&mut self) -> Option<&mut Sparse> {
        self.is_sparse.then_some(&mut self.sparse)
    }

    /// The column of the batch that a column was computed from; of a column of texts, the one that it is, unchanged.
    pub fn source(&self, column: usize) -> Option<usize> {
        self.sources.get(column).copied().flatten()
    }

    /// Says which of the batch's columns a column is.
    pub fn set_source(&mut self, column: usize, source: usize) {
        self.sources[column] = Some(source);
    }

    /// How many places a column has: a multiple of [`BLOCK`](super::BLOCK).
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        if self.is_sparse { self.sparse.width() } else { self.kinds.len() }
    }

    /// What each column is.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Says what a column is.
    pub fn set_kind(&mut self, column: usize, kind: Kind) {
        self.kinds[column] = kind;
    }

    /// What numpy would call all the columns together.
    pub fn kind(&self) -> Kind {
        match self.kinds.iter().copied().reduce(Kind::with) {
            // Estimators make numbers of them.
            Some(Kind::Object) | None => Kind::Double,
            Some(kind) => kind,
        }
    }

    /// The values of a column.
    #[inline]
    pub fn column(&self, column: usize) -> &[f64] {
        match self.lent.get(column) {
            Some(Some(values)) => &values[self.first..][..self.rows],
            _ => &self.values[column * self.stride..][..self.rows],
        }
    }

    /// The values of a column, to write.
    pub fn column_mut(&mut self, column: usize) -> &mut [f64] {
        let run = &mut self.values[column * self.stride..][..self.rows];
        if let Some(values) = self.lent.get_mut(column).and_then(Option::take) {
            run.copy_from_slice(&values[self.first..][..self.rows]);
        }
        run
    }

    /// All places of all columns, [`Block::stride`] for each column. No column may be lent.
    pub fn runs_mut(&mut self) -> &mut [f64] {
        &mut self.values[..self.kinds.len() * self.stride]
    }

    /// The columns in their order.
    pub fn columns(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.width()).map(|column| self.column(column))
    }

    /// One value.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.column(column)[row]
    }

    /// Copies columns, with their kinds, to `to` and after.
    pub fn copy(&mut self, to: usize, from: &Self) {
        for column in 0..from.width() {
            self.kinds[to + column] = from.kinds[column];
            self.sources[to + column] = from.sources[column];
            self.column_mut(to + column).copy_from_slice(from.column(column));
        }
    }

    /// Copies the columns of another block after its own.
    pub fn append(&mut self, other: &Self) {
        let width = self.width();
        self.kinds.resize(width + other.width(), Kind::Double);
        self.sources.resize(width + other.width(), None);
        self.make_room();
        self.copy(width, other);
    }

    /// Copies one column of another block after its own.
    pub fn append_column(&mut self, other: &Self, column: usize) {
        let width = self.width();
        self.kinds.push(Kind::Double);
        self.sources.push(None);
        self.make_room();
        self.copy_column(width, other, column);
    }

    /// Copies one column, with its kind.
    pub fn copy_column(&mut self, to: usize, from: &Self, column: usize) {
        self.kinds[to] = from.kinds[column];
        self.sources[to] = from.sources[column];
        self.column_mut(to).copy_from_slice(from.column(column));
    }

    /// Applies a function to every value of a dense block, rounding to single precision where the block is that.
    pub fn map(&mut self, each: impl Fn(f64) -> f64) {
        for column in 0..self.width() {
            let single = self.kinds[column] == Kind::Single;
            for value in self.column_mut(column) {
                *value = each(*value);
                if single {
                    *value = f64::from(*value as f32);
                }
            }
        }
    }
}

/// Copies a block, rounded to single precision.
pub fn single(input: &Block, out: &mut Block) {
    out.reset(input.rows(), input.width(), Kind::Single);
    out.sources.clone_from(&input.sources);
    for column in 0..input.width() {
        for (out, value) in out.column_mut(column).iter_mut().zip(input.column(column)) {
            *out = f64::from(*value as f32);
        }
    }
}

/// Rounds a run to single precision.
pub fn round(values: &mut [f64]) {
    values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lent_column_is_read_where_it_is_and_copied_to_be_written() {
        let mut block = Block::default();
        block.reset(3, 2, Kind::Double);
        block.lend(0, vec![1.0, 2.0, 3.0, 4.0, 5.0].into());
        block.advance(1..4);
        block.column_mut(1).copy_from_slice(&[7.0, 8.0, 9.0]);
        assert!(block.lent[0].is_some() && block.lent[1].is_none());
        assert_eq!(block.columns().collect::<Vec<_>>(), [[2.0, 3.0, 4.0], [7.0, 8.0, 9.0]]);
        assert_eq!([block.at(2, 0), block.at(0, 1)], [4.0, 7.0]);
        let mut copy = Block::default();
        copy.reset(3, 2, Kind::Double);
        copy.copy(0, &block);
        block.column_mut(0)[1] = -1.0;
        assert_eq!(block.column(0), [2.0, -1.0, 4.0]);
        assert!(block.lent[0].is_none());
        assert_eq!(copy.column(0), [2.0, 3.0, 4.0]);
        block.reset(2, 1, Kind::Double);
        assert_eq!((block.lent.len(), block.column(0).len()), (0, 2));
    }
}
