//! Output conversion: what the model returned becomes one column of the result type.
//!
//! As in MLflow the columns are filtered by the element type; a scalar takes the left-most that is left, an array all of them, row by
//! row; a struct takes its fields by name. Where MLflow's filter leaves nothing, the default takes the numbers that are there as long
//! as every value survives (int64 labels as `int`, 0 and 1 as `boolean`); `compat = mlflow` refuses. Casts that cut values (2.7 to 2 in a struct's int field)
//! happen under `compat = mlflow` only. A result of float or double rounds to that precision in both. A null stays null in every type;
//! `compat = mlflow` writes it as `None` or `nan` where a text is asked for.
//!
//! Where no type is asked for, an answer stays as the model gave it ([`whole`]).

mod own;
mod text;
mod types;
mod values;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, LargeListArray, ListArray, PrimitiveArray, RecordBatch, StructArray},
    buffer::OffsetBuffer,
    compute::{cast, interleave},
    datatypes::{DataType, FieldRef, Fields, Float32Type, Float64Type},
    error::ArrowError,
};

use super::{Compat, PREDICTION, ddl, numbers};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::Signature,
};
use values::{Cast, Failure, convert};

pub(super) use own::schema_of;
pub use own::{common, fit, own_type, whole};
pub use types::{plain_type, planned, read_as};

/// How the model's columns become the result column.
#[derive(Debug)]
pub struct Conversion {
    result: DataType,
    compat: Compat,
}

/// A column of the model's answer and its name.
type Named<'a> = (&'a str, ArrayRef);

impl Conversion {
    /// A conversion to a type that a caller asked for; one that MLflow would not take is refused.
    pub fn to_asked(asked: &DataType, signature: &Signature, compat: Compat) -> Result<Self> {
        types::check(asked, signature)?;
        Ok(Self::new(asked.clone(), compat))
    }

    /// A conversion to `result`.
    pub fn new(result: DataType, compat: Compat) -> Self {
        Self { result, compat }
    }

    /// The type it makes.
    pub fn result(&self) -> &DataType {
        &self.result
    }

    /// Converts what the model returned for `rows` rows.
    pub fn apply(&self, raw: &RecordBatch, rows: usize) -> Result<ArrayRef> {
        check_rows(raw, rows)?;
        if let [only] = raw.columns()
            && *only.data_type() == self.result
            && (self.compat == Compat::Exact
                || (!self.result.is_nested()
                    && (only.null_count() == 0 || !matches!(self.result, DataType::Utf8 | DataType::Boolean))))
        {
            return Ok(only.clone());
        }
        let made = match &self.result {
            DataType::List(item) if all_are(raw.columns(), item.data_type()) => rowwise(raw.columns(), item, rows)?,
            result => self.chosen(raw, result, rows)?,
        };
        Ok(if *made.data_type() == self.result { made } else { cast(&made, &self.result)? })
    }

    /// What the result type takes of the columns, converted.
    fn chosen(&self, raw: &RecordBatch, result: &DataType, rows: usize) -> Result<ArrayRef> {
        let columns = raw.schema_ref().fields().iter().zip(raw.columns());
        let columns: Vec<Named<'_>> =
            columns.map(|(field, column)| Ok((field.name().as_str(), plain(column)?))).collect::<Result<_, ArrowError>>()?;
        match result {
            DataType::Struct(fields) => self.record(&columns, fields, rows),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                self.list(&columns, item, rows)
            }
            DataType::Map(..) => self.map(&columns),
            element => {
                let kept = self.filter(&columns, element)?;
                let (name, column) = &kept[0];
                convert(column, element, self.cast()).map_err(|failure| self.lossy(name, element, column, failure))
            }
        }
    }

    fn cast(&self) -> Cast {
        match self.compat {
            Compat::Exact => Cast::Exact,
            Compat::Mlflow => Cast::Unchecked,
        }
    }

    /// The columns whose dtype MLflow takes for an element type; never empty.
    fn filter<'a>(&self, columns: &[Named<'a>], element: &DataType) -> Result<Vec<Named<'a>>> {
        let keep = |takes: &dyn Fn(&DataType) -> bool| -> Vec<Named<'a>> {
            columns.iter().filter(|(_, column)| takes(column.data_type())).cloned().collect()
        };
        let mut kept = keep(&|from| takes(element, from));
        if self.compat == Compat::Mlflow && *element == DataType::Boolean {
            // Booleans with a null are objects to pandas.
            kept.retain(|(_, column)| column.null_count() == 0);
        }
        if kept.is_empty() && self.compat == Compat::Exact {
            let numeric = element.is_integer() || element.is_floating();
            let number = numeric || *element == DataType::Boolean;
            kept = keep(&|from| (number && numbers::is_number(from)) || *from == DataType::Null);
        }
        if kept.is_empty() {
            let found =
                columns.iter().map(|(name, column)| format!("{name}: {}", column.data_type())).collect::<Vec<_>>().join(", ");
            let message = format!("The model did not produce any values compatible with the requested type '{element}'.");
            let error = Error::new(Kind::InvalidArgument, "RESULT_TYPE", message).expected(element).found(format!("[{found}]"));
            return Err(match columns.first() {
                Some((name, column)) => error.remedy(self.remedy(name, element, column.data_type())),
                None => error,
            });
        }
        Ok(kept)
    }

    fn list(&self, columns: &[Named<'_>], item: &FieldRef, rows: usize) -> Result<ArrayRef> {
        let element = item.data_type();
        if let [(name, only)] = columns
            && is_list(only.data_type())
            && (self.compat == Compat::Exact || element.is_nested())
            && depth(only.data_type()) == depth(element) + 1
        {
            let to = DataType::List(item.clone());
            return convert(only, &to, self.cast()).map_err(|failure| self.lossy(name, &to, only, failure));
        }
        let kept = if element.is_nested() { columns.to_vec() } else { self.filter(columns, element)? };
        let made = kept
            .iter()
            .map(|(name, column)| {
                convert(column, element, self.cast()).map_err(|failure| self.lossy(name, element, column, failure))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(rowwise(&made, item, rows)?)
    }

    fn record(&self, columns: &[Named<'_>], fields: &Fields, rows: usize) -> Result<ArrayRef> {
        if let [(name, only)] = columns
            && matches!(only.data_type(), DataType::Struct(_))
            && fields.iter().all(|field| field.name() != name)
        {
            let inner = only.as_struct();
            let columns = inner.fields().iter().zip(inner.columns());
            let columns: Vec<Named<'_>> = columns.map(|(field, column)| (field.name().as_str(), column.clone())).collect();
            return self.record(&columns, fields, rows);
        }
        let mut made = Vec::with_capacity(fields.len());
        for field in fields {
            let Some((_, column)) = columns.iter().find(|(name, _)| name == field.name()) else {
                let found = columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                return Err(Error::new(Kind::InvalidArgument, "RESULT_TYPE", "the model returned no column of this name")
                    .column(format!("{PREDICTION}.{}", field.name()))
                    .expected(field.data_type())
                    .found(format!("[{found}]"))
                    .remedy("name the struct's fields as the model names its columns"));
            };
            let converted = values::field(column, field.data_type(), self.cast());
            made.push(converted.map_err(|failure| self.lossy(field.name(), field.data_type(), column, failure))?);
        }
        let fields: Fields = fields.iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        Ok(Arc::new(StructArray::try_new_with_length(fields, made, None, rows)?))
    }

    fn lossy(&self, name: &str, to: &DataType, column: &ArrayRef, failure: Failure) -> Error {
        let error = Error::new(Kind::InvalidArgument, "RESULT_TYPE", failure.why)
            .column(format!("{PREDICTION} from '{name}'"))
            .expected(to)
            .found(column.data_type())
            .remedy(self.remedy(name, to, column.data_type()));
        match failure.row {
            Some(row) => error.row(row as u64),
            None => error,
        }
    }

    /// Names the result type with `found` in the place of `to`.
    fn remedy(&self, name: &str, to: &DataType, found: &DataType) -> String {
        ask_for(&match &self.result {
            DataType::Struct(fields) => {
                let field = |field: &FieldRef| match field.name() == name {
                    true => Arc::new(field.as_ref().clone().with_data_type(found.clone())),
                    false => field.clone(),
                };
                DataType::Struct(fields.iter().map(field).collect())
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) if item.data_type() == to => {
                DataType::new_list(found.clone(), true)
            }
            _ => found.clone(),
        })
    }

    fn map(&self, columns: &[Named<'_>]) -> Result<ArrayRef> {
        let found = columns.iter().find(|(_, column)| matches!(column.data_type(), DataType::Map(..)));
        let Some((name, column)) = found else {
            let names = columns.iter().map(|(name, column)| format!("{name}: {}", column.data_type())).collect::<Vec<_>>();
            return Err(Error::new(Kind::InvalidArgument, "RESULT_TYPE", "the model returned no maps")
                .expected(&self.result)
                .found(format!("[{}]", names.join(", "))));
        };
        convert(column, &self.result, self.cast()).map_err(|failure| self.lossy(name, &self.result, column, failure))
    }
}

/// Dictionary and run-end encoded answers as their values.
fn plain(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values),
        DataType::RunEndEncoded(_, values) => cast(column, values.data_type()),
        _ => Ok(column.clone()),
    }
}

/// pandas' `select_dtypes` as MLflow calls it.
fn takes(element: &DataType, from: &DataType) -> bool {
    let small = matches!(from, DataType::Int8 | DataType::UInt8 | DataType::Int16 | DataType::UInt16 | DataType::Int32);
    match element {
        DataType::Int32 => small,
        DataType::Int64 => small || *from == DataType::Int64,
        DataType::Float32 | DataType::Float64 => from.is_numeric() && !from.is_decimal(),
        DataType::Boolean => *from == DataType::Boolean,
        _ => true,
    }
}

fn is_list(from: &DataType) -> bool {
    depth(from) > 0
}

fn depth(from: &DataType) -> usize {
    match from {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => 1 + depth(item.data_type()),
        _ => 0,
    }
}

/// Whether there are columns, all of this type, and it is a floating-point one: such need no conversion to it.
fn all_are(columns: &[ArrayRef], float: &DataType) -> bool {
    float.is_floating() && !columns.is_empty() && columns.iter().all(|column| column.data_type() == float)
}

/// One list a row, of the values that the columns have there.
fn rowwise(columns: &[ArrayRef], item: &FieldRef, rows: usize) -> Result<ArrayRef, ArrowError> {
    let width = columns.len();
    let values = match columns {
        [only] => only.clone(),
        several => match by_row::<Float64Type>(several, rows).or_else(|| by_row::<Float32Type>(several, rows)) {
            Some(values) => values,
            None => {
                let arrays: Vec<&dyn Array> = several.iter().map(AsRef::as_ref).collect();
                let places: Vec<(usize, usize)> = (0..rows).flat_map(|row| (0..width).map(move |column| (column, row))).collect();
                interleave(&arrays, &places)?
            }
        },
    };
    let item = if item.is_nullable() { item.clone() } else { Arc::new(item.as_ref().clone().with_nullable(true)) };
    if i32::try_from(rows * width).is_err() {
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(width, rows));
        return Ok(Arc::new(LargeListArray::try_new(item, offsets, values, None)?));
    }
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(std::iter::repeat_n(width, rows)), values, None)?))
}

/// The values of columns row by row; `None` where they are of another type or have nulls, which [`interleave`] is for.
fn by_row<T: ArrowPrimitiveType>(columns: &[ArrayRef], rows: usize) -> Option<ArrayRef> {
    /// Rows whose values stay in the cache until the last column has written to them.
    const TOGETHER: usize = 256;
    let mut from: Vec<&[T::Native]> = Vec::with_capacity(columns.len());
    for column in columns {
        from.push(column.as_primitive_opt::<T>().filter(|column| column.null_count() == 0)?.values());
    }
    let width = from.len().max(1);
    let mut values = vec![T::Native::default(); rows * from.len()];
    for (rows, values) in values.chunks_mut(TOGETHER * width).enumerate() {
        for (at, column) in from.iter().enumerate() {
            let to = values[at..].iter_mut().step_by(width);
            to.zip(&column[rows * TOGETHER..]).for_each(|(to, &from)| *to = from);
        }
    }
    Some(Arc::new(PrimitiveArray::<T>::new(values.into(), None)))
}

/// Whether a model answered every row.
fn check_rows(raw: &RecordBatch, rows: usize) -> Result<()> {
    if raw.num_rows() == rows {
        return Ok(());
    }
    let message = format!("the model returned {} rows for {rows}", raw.num_rows());
    Err(Error::new(Kind::ModelFailed, "ROW_COUNT", message)
        .expected(format!("{rows} rows"))
        .found(format!("{} rows", raw.num_rows()))
        .remedy("the model's predict must return one row for each row it is given"))
}

/// How to ask for a result type.
fn ask_for(result: &DataType) -> String {
    let text = ddl::holding(result);
    format!(
        "ask for a result type that holds the model's values: result_type=\"{text}\", on the command line --result-type '{text}'"
    )
}
