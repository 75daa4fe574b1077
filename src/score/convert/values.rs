//! One array of the model's answer to one type, nested types included.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, StructArray, new_null_array},
    compute::{cast, cast_with_options},
    datatypes::{DataType, Fields, Float32Type, Float64Type},
    error::ArrowError,
};

use super::text::python_str;
use crate::score::{nested, numbers};

/// What may happen to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cast {
    /// Values survive, but for the precision of float and double.
    Exact,
    /// numpy's `astype`.
    Unchecked,
}

/// Why an array was not converted.
#[derive(Debug)]
pub(super) struct Failure {
    pub row: Option<usize>,
    pub why: String,
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self { row: None, why: error.to_string() }
    }
}

impl Failure {
    fn of_type() -> Self {
        Self { row: None, why: "the model's type never converts to the result type".into() }
    }

    pub(super) fn inside(self, bounds: &[usize]) -> Self {
        Self { row: self.row.map(|item| nested::row_of(bounds, item)), ..self }
    }
}

/// Converts an array of the model's answer.
pub(super) fn convert(array: &ArrayRef, to: &DataType, how: Cast) -> Result<ArrayRef, Failure> {
    let from = array.data_type();
    match (from, to) {
        (DataType::Null, to) if how == Cast::Exact || !matches!(to, DataType::Utf8) => Ok(new_null_array(to, array.len())),
        (DataType::Dictionary(_, values), to) => convert(&cast(array, values)?, to, how),
        (from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            let clean = from == to && (how == Cast::Exact || array.null_count() == 0);
            if clean { Ok(array.clone()) } else { Ok(cast(&python_str(array, how == Cast::Exact)?, to)?) }
        }
        (from, to) if from == to => Ok(array.clone()),
        (_, DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) => {
            let made = nested::items(array, &as_nullable(item), |values, bounds| {
                convert(values, item.data_type(), how).map_err(|failure| failure.inside(bounds))
            });
            let made = made.map_err(|failure: Failure| if super::is_list(from) { failure } else { Failure::of_type() })?;
            Ok(cast(&made, to)?)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => record(array.as_struct(), fields, how),
        (DataType::Map(..), DataType::Map(entries, _)) => {
            let DataType::Struct(fields) = entries.data_type() else { return Err(Failure::of_type()) };
            nested::entries(array.as_map(), to, |values, bounds| {
                convert(values, fields[1].data_type(), how).map_err(|failure| failure.inside(bounds))
            })
        }
        (from, DataType::Boolean) if numbers::is_number(from) => truth(array, how),
        (DataType::Timestamp(..), DataType::Int64) if how == Cast::Unchecked => Ok(cast(array, to)?),
        (from, DataType::Float32 | DataType::Float64) if numbers::is_number(from) => float(array, to, how),
        (from, DataType::Int32 | DataType::Int64) if numbers::is_number(from) => integer(array, to, how),
        (from, _) if from.is_temporal() && to.is_temporal() => Ok(cast(array, to)?),
        (from, DataType::Binary | DataType::LargeBinary) if is_bytes(from) => Ok(cast(array, to)?),
        _ => Err(Failure::of_type()),
    }
}

fn is_bytes(from: &DataType) -> bool {
    matches!(from, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

fn as_nullable(item: &arrow::datatypes::FieldRef) -> arrow::datatypes::FieldRef {
    Arc::new(item.as_ref().clone().with_nullable(true))
}

/// A struct's field: pandas' `astype`, which leaves a column of nothing but nulls alone.
pub(super) fn field(array: &ArrayRef, to: &DataType, how: Cast) -> Result<ArrayRef, Failure> {
    if array.logical_null_count() == array.len() {
        return Ok(new_null_array(to, array.len()));
    }
    match (array.data_type(), to) {
        (DataType::Float16 | DataType::Float32, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            Ok(cast(&python_str(&shortest(array)?, how == Cast::Exact)?, to)?)
        }
        // A null is no truth value to numpy but False.
        (DataType::Boolean, DataType::Boolean) if how == Cast::Unchecked && array.null_count() > 0 => {
            let flags = array.as_boolean();
            Ok(Arc::new(flags.iter().map(|flag| Some(flag.unwrap_or_default())).collect::<BooleanArray>()))
        }
        _ => convert(array, to, how),
    }
}

/// Doubles with the digits of the floats, as numpy writes a float32 column.
fn shortest(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let floats = cast(array, &DataType::Float32)?;
    let floats = floats.as_primitive::<Float32Type>();
    let doubles: PrimitiveArray<Float64Type> = floats.unary(|value| value.to_string().parse().unwrap_or(f64::from(value)));
    Ok(Arc::new(doubles))
}

/// Numbers as truth values: 0 and 1 keep their value, others are true when nothing is checked.
fn truth(array: &ArrayRef, how: Cast) -> Result<ArrayRef, Failure> {
    let doubles = cast(array, &DataType::Float64)?;
    let doubles = doubles.as_primitive::<Float64Type>();
    let odd = |value: f64| value != 0.0 && value != 1.0;
    if how == Cast::Exact
        && let Some(row) = doubles.iter().position(|value| value.is_some_and(odd))
    {
        return Err(changed(numbers::Inexact(row)));
    }
    Ok(Arc::new(BooleanArray::from_unary(doubles, |value| value != 0.0)))
}

/// The nearest float or double; a number that only infinity is near to is refused by [`Cast::Exact`].
fn float(array: &ArrayRef, to: &DataType, how: Cast) -> Result<ArrayRef, Failure> {
    let doubles = match array.data_type() {
        from if from.is_decimal() => numbers::exact(array, &DataType::Float64).map_err(changed)?,
        _ => array.clone(),
    };
    let made = cast(&doubles, to)?;
    if how == Cast::Exact && *to == DataType::Float32 && *doubles.data_type() == DataType::Float64 {
        let (wide, narrow) = (doubles.as_primitive::<Float64Type>(), made.as_primitive::<Float32Type>());
        let pairs = wide.values().iter().zip(narrow.values());
        let lost = |(wide, narrow): (&f64, &f32)| wide.is_finite() && narrow.is_infinite();
        if let Some(row) = pairs.clone().position(lost).filter(|&row| wide.is_valid(row)) {
            return Err(Failure { row: Some(row), why: "the number is beyond float's range".into() });
        }
    }
    Ok(made)
}

fn changed(numbers::Inexact(row): numbers::Inexact) -> Failure {
    Failure { row: Some(row), why: "the value would change".into() }
}

fn integer(array: &ArrayRef, to: &DataType, how: Cast) -> Result<ArrayRef, Failure> {
    if how == Cast::Exact {
        return numbers::exact(array, to).map_err(changed);
    }
    // numpy cuts fractions and refuses what is no number.
    let made = cast_with_options(array, to, &arrow::compute::CastOptions { safe: true, ..Default::default() })?;
    let nulls = |array: &ArrayRef| array.logical_null_count();
    if nulls(&made) != nulls(array) {
        let row = (0..made.len()).find(|&row| made.is_null(row) && array.is_valid(row));
        return Err(Failure { row, why: "the value is no integer of that width".into() });
    }
    if nulls(array) > 0 && nulls(array) < array.len() {
        let row = (0..array.len()).find(|&row| array.is_null(row));
        return Err(Failure { row, why: "a missing value is no integer".into() });
    }
    Ok(made)
}

fn record(array: &StructArray, fields: &Fields, how: Cast) -> Result<ArrayRef, Failure> {
    let mut columns = Vec::with_capacity(fields.len());
    for field in fields {
        let column = array.column_by_name(field.name());
        let column = column.ok_or_else(|| Failure { row: None, why: format!("the record has no '{}'", field.name()) })?;
        columns.push(convert(column, field.data_type(), how)?);
    }
    let fields: Fields = fields.iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    Ok(Arc::new(StructArray::try_new_with_length(fields, columns, array.nulls().cloned(), array.len())?))
}
