//! Compares the answers in two Parquet files, value by value.

use std::{fs::File, path::Path};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, make_comparator},
    compute::SortOptions,
    datatypes::{DataType, Float32Type, Float64Type, SchemaRef},
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::{
    error::{Error, Result},
    score::convert,
};

/// Rows compared at a time.
const BATCH_ROWS: usize = 8192;

/// How far two numbers may be apart and still be the same answer: this much of the larger of both, by their precision. Whole numbers, texts,
/// nulls and NaN must be equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Of doubles.
    pub double: f64,
    /// Of floats.
    pub float: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { double: 1e-9, float: 1e-5 }
    }
}

/// A column whose answers differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its name.
    pub column: String,
    /// Rows that differ.
    pub rows: u64,
    /// The largest distance of two numbers that differ.
    pub largest: f64,
    /// The first row that differs.
    pub first: Option<FirstDifference>,
    /// What cannot be compared at all: a column that one of them lacks, types that have nothing in common.
    pub reason: Option<String>,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstDifference {
    /// Its number, from 0.
    pub row: u64,
    /// What the reference answers.
    pub expected: String,
    /// What the other answers.
    pub found: String,
}

/// The columns that differ between two files of answers.
pub(super) fn files(expected: &Path, found: &Path, tolerance: Tolerance) -> Result<Vec<Difference>> {
    let (expected_schema, expected) = open(expected)?;
    let (found_schema, found) = open(found)?;
    let mut columns = Vec::new();
    let mut differences = Vec::new();
    for field in expected_schema.fields() {
        match found_schema.column_with_name(field.name()) {
            Some((at, other)) => match convert::common(field.data_type(), other.data_type()) {
                Some(kind) => columns.push((Difference::none(field.name()), kind, at)),
                None => {
                    let reason = format!("{} and {} have no type in common", field.data_type(), other.data_type());
                    differences.push(Difference { reason: Some(reason), ..Difference::none(field.name()) });
                }
            },
            None => differences.push(Difference::absent(field.name(), "missing")),
        }
    }
    let extra = found_schema.fields().iter().filter(|field| expected_schema.column_with_name(field.name()).is_none());
    differences.extend(extra.map(|field| Difference::absent(field.name(), "not expected")));
    let mut first_row = 0;
    let mut found = Rows { reader: found, batch: None };
    for batch in expected {
        let batch = batch.map_err(Error::from)?;
        let mut start = 0;
        while start < batch.num_rows() {
            let Some(other) = found.take(batch.num_rows() - start)? else {
                let reason = format!("only {first_row} rows");
                differences.push(Difference { reason: Some(reason), ..Difference::none("") });
                return Ok(differences);
            };
            let own = batch.slice(start, other.num_rows());
            for (difference, kind, at) in &mut columns {
                let Some(one) = own.column_by_name(&difference.column) else { continue };
                // A whole number that is no double is no answer that a double can equal.
                match (convert::fit(one, kind), convert::fit(other.column(*at), kind)) {
                    (Ok(one), Ok(two)) => difference.add(&one, &two, first_row, tolerance)?,
                    (Err(error), _) | (_, Err(error)) => difference.reason = Some(error.to_string()),
                }
            }
            start += other.num_rows();
            first_row += other.num_rows() as u64;
        }
    }
    if found.take(1)?.is_some() {
        differences.push(Difference { reason: Some(format!("more than {first_row} rows")), ..Difference::none("") });
    }
    differences.extend(
        columns
            .into_iter()
            .map(|(difference, ..)| difference)
            .filter(|difference| difference.rows > 0 || difference.reason.is_some()),
    );
    Ok(differences)
}

fn open(path: &Path) -> Result<(SchemaRef, ParquetRecordBatchReader)> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(ArrowError::from)?.with_batch_size(BATCH_ROWS);
    Ok((builder.schema().clone(), builder.build().map_err(ArrowError::from)?))
}

/// Rows that are taken in pieces of any size.
struct Rows {
    reader: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
}

impl Rows {
    /// The next rows, at most so many; `None` at the end.
    fn take(&mut self, most: usize) -> Result<Option<RecordBatch>> {
        let batch = match self.batch.take().filter(|batch| batch.num_rows() > 0) {
            Some(batch) => batch,
            None => match self.reader.next().transpose().map_err(Error::from)? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let count = most.min(batch.num_rows());
        self.batch = Some(batch.slice(count, batch.num_rows() - count));
        Ok(Some(batch.slice(0, count)))
    }
}

impl Difference {
    fn none(column: &str) -> Self {
        Self { column: column.to_owned(), rows: 0, largest: 0.0, first: None, reason: None }
    }

    fn absent(column: &str, what: &str) -> Self {
        Self { reason: Some(format!("the column is {what}")), ..Self::none(column) }
    }

    /// Adds the rows in which two columns of one type differ.
    fn add(&mut self, one: &ArrayRef, two: &ArrayRef, first_row: u64, tolerance: Tolerance) -> Result<()> {
        let mut pair = Pair::of(one, two, tolerance)?;
        for at in 0..one.len() {
            let Some(distance) = pair.distance(at, at) else { continue };
            self.rows += 1;
            self.largest = self.largest.max(distance);
            if self.first.is_none() {
                let options = FormatOptions::default().with_null("null");
                let text = |column: &ArrayRef| -> Result<String> {
                    Ok(ArrayFormatter::try_new(column, &options)?.value(at).to_string())
                };
                self.first = Some(FirstDifference { row: first_row + at as u64, expected: text(one)?, found: text(two)? });
            }
        }
        Ok(())
    }
}

/// How two values of one type are compared: how far they are apart, `None` where they are the same answer.
type Distance<'a> = Box<dyn FnMut(usize, usize) -> Option<f64> + 'a>;

/// Two columns of one type.
struct Pair<'a> {
    one: &'a ArrayRef,
    two: &'a ArrayRef,
    valid: Distance<'a>,
}

impl<'a> Pair<'a> {
    fn of(one: &'a ArrayRef, two: &'a ArrayRef, tolerance: Tolerance) -> Result<Self> {
        let valid: Distance<'a> = match one.data_type() {
            DataType::Float64 => {
                let (one, two) = (one.as_primitive::<Float64Type>(), two.as_primitive::<Float64Type>());
                Box::new(move |i, j| apart(one.value(i), two.value(j), tolerance.double))
            }
            DataType::Float32 => {
                let (one, two) = (one.as_primitive::<Float32Type>(), two.as_primitive::<Float32Type>());
                Box::new(move |i, j| apart(one.value(i).into(), two.value(j).into(), tolerance.float))
            }
            DataType::List(_) => {
                let (one, two) = (one.as_list::<i32>(), two.as_list::<i32>());
                let mut items = Pair::of(one.values(), two.values(), tolerance)?;
                Box::new(move |i, j| {
                    let (start, other) = (one.value_offsets()[i] as usize, two.value_offsets()[j] as usize);
                    if one.value_length(i) != two.value_length(j) {
                        return Some(f64::INFINITY);
                    }
                    (0..one.value_length(i) as usize).filter_map(|at| items.distance(start + at, other + at)).reduce(f64::max)
                })
            }
            DataType::Struct(_) => {
                let columns = one.as_struct().columns().iter().zip(two.as_struct().columns());
                let mut fields = columns.map(|(one, two)| Pair::of(one, two, tolerance)).collect::<Result<Vec<_>>>()?;
                Box::new(move |i, j| fields.iter_mut().filter_map(|field| field.distance(i, j)).reduce(f64::max))
            }
            _ => {
                let compare = make_comparator(one, two, SortOptions::default())?;
                Box::new(move |i, j| compare(i, j).is_ne().then_some(f64::INFINITY))
            }
        };
        Ok(Self { one, two, valid })
    }

    fn distance(&mut self, i: usize, j: usize) -> Option<f64> {
        match (self.one.is_null(i), self.two.is_null(j)) {
            (true, true) => None,
            (false, false) => (self.valid)(i, j),
            _ => Some(f64::INFINITY),
        }
    }
}

/// How far two numbers are apart, where that is more than the tolerance allows.
fn apart(one: f64, two: f64, tolerance: f64) -> Option<f64> {
    if one == two || one.is_nan() && two.is_nan() {
        return None;
    }
    let distance = (one - two).abs();
    // A comparison with NaN says no.
    let near = distance <= tolerance * one.abs().max(two.abs());
    (!near).then_some(if distance.is_nan() { f64::INFINITY } else { distance })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Float64Array, Int64Array, ListArray, StringArray},
        datatypes::Int32Type,
    };
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn compare(one: ArrayRef, two: ArrayRef) -> Vec<Difference> {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, column: ArrayRef| {
            let batch = RecordBatch::try_from_iter_with_nullable([("prediction", column, true)]).unwrap();
            let path = root.path().join(name);
            let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            path
        };
        files(&write("one", one), &write("two", two), Tolerance::default()).unwrap()
    }

    #[test]
    fn numbers_may_be_a_little_apart() {
        let column = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
        let one = column(vec![Some(1.0), Some(f64::NAN), None, Some(0.0), Some(f64::INFINITY)]);
        assert_eq!(compare(one.clone(), one.clone()), []);
        assert_eq!(
            compare(one.clone(), column(vec![Some(1.0 + 1e-12), Some(f64::NAN), None, Some(0.0), Some(f64::INFINITY)])),
            []
        );
        let two = column(vec![Some(1.0 + 1e-6), None, None, Some(1e-300), Some(f64::INFINITY)]);
        let [difference] = &compare(one, two)[..] else { panic!() };
        let first = FirstDifference { row: 0, expected: "1.0".into(), found: "1.000001".into() };
        assert_eq!((difference.rows, difference.first.clone()), (3, Some(first)));
    }

    #[test]
    fn whole_numbers_and_texts_are_equal_or_not() {
        let texts = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
        assert_eq!(compare(texts(vec![Some("a"), None]), texts(vec![Some("a"), None])), []);
        let found = compare(texts(vec![Some("a"), None]), texts(vec![Some("b"), Some("null")]));
        assert_eq!((found[0].rows, found[0].largest), (2, f64::INFINITY));
        let whole = Arc::new(Int64Array::from(vec![1, 1 << 60])) as ArrayRef;
        assert_eq!(compare(whole.clone(), Arc::new(Int64Array::from(vec![1, (1 << 60) + 1])))[0].rows, 1);
        // The same numbers in another type are the same answer.
        assert_eq!(compare(Arc::new(Int64Array::from(vec![1, 2])), Arc::new(Float64Array::from(vec![1.0, 2.0]))), []);
        let found = compare(whole, texts(vec![Some("x"), Some("y")]));
        assert!(found[0].rows > 0 || found[0].reason.is_some(), "{found:?}");
    }

    #[test]
    fn lists_are_compared_by_their_items_and_files_by_their_rows() {
        let lists = |rows: Vec<Vec<i32>>| {
            let rows = rows.into_iter().map(|row| Some(row.into_iter().map(Some)));
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows)) as ArrayRef
        };
        assert_eq!(compare(lists(vec![vec![1, 2], vec![]]), lists(vec![vec![1, 2], vec![]])), []);
        assert_eq!(compare(lists(vec![vec![1, 2], vec![3]]), lists(vec![vec![1, 3], vec![]]))[0].rows, 2);
        assert_eq!(compare(lists(vec![vec![1]]), lists(vec![]))[0].reason.as_deref(), Some("only 0 rows"));
        assert_eq!(compare(lists(vec![]), lists(vec![vec![1]]))[0].reason.as_deref(), Some("more than 0 rows"));
    }
}
