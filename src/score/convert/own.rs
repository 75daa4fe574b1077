//! Answers in the model's own type, and the type that several of them have in common.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StructArray, new_null_array},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit},
};

use super::{PREDICTION, ask_for, check_rows, plain, values::Failure};
use crate::{
    error::{Error, Kind, Result},
    score::{nested, numbers},
};

/// The type of a model's answers as [`whole`] makes them, from what the model says of itself: k columns are a struct.
pub fn own_type(model: &DataType) -> DataType {
    match model {
        DataType::FixedSizeList(item, width) => {
            DataType::Struct((0..*width).map(|at| Field::new(at.to_string(), item.data_type().clone(), true)).collect())
        }
        other => other.clone(),
    }
}

/// What the model returned for `rows` rows, as one column: one column as it is, several as one struct.
pub fn whole(raw: &RecordBatch, rows: usize) -> Result<ArrayRef> {
    check_rows(raw, rows)?;
    let columns = raw.columns().iter().map(plain).collect::<Result<Vec<_>, _>>()?;
    match <[ArrayRef; 1]>::try_from(columns) {
        Ok([only]) => Ok(only),
        Err(columns) if columns.is_empty() => {
            Err(Error::new(Kind::ModelFailed, "NO_ANSWER", "the model returned a table without columns"))
        }
        Err(columns) => {
            let named = raw.schema_ref().fields().iter().zip(&columns);
            let fields: Fields =
                named.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true)).collect();
            let mut seen = HashSet::new();
            if let Some(twice) = fields.iter().find(|field| !seen.insert(field.name())) {
                let error = Error::new(Kind::ModelFailed, "DUPLICATE_COLUMN", "the model returned two columns of the same name");
                return Err(error.column(twice.name()).remedy("name a result type, which takes the left-most column that fits"));
            }
            Ok(Arc::new(StructArray::try_new_with_length(fields, columns, None, rows)?))
        }
    }
}

/// The type that holds the values of both types exactly; `None` where there is none.
pub fn common(one: &DataType, other: &DataType) -> Option<DataType> {
    use DataType::{
        Binary, BinaryView, Date32, FixedSizeList, Float16, Float32, Float64, Int8, Int16, Int32, Int64, LargeBinary, LargeList,
        LargeUtf8, List, Map, Null, Struct, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    let either = |wide: &DataType| if one == wide { one.clone() } else { other.clone() };
    Some(match (one, other) {
        (one, other) if one == other => one.clone(),
        (Null, known) | (known, Null) => known.clone(),
        (Int8 | Int16 | Int32 | Int64, Int8 | Int16 | Int32 | Int64)
        | (UInt8 | UInt16 | UInt32 | UInt64, UInt8 | UInt16 | UInt32 | UInt64) => wider(one, other),
        (Int8 | Int16 | Int32 | Int64, UInt8 | UInt16 | UInt32) => wider(one, &signed(other)),
        (UInt8 | UInt16 | UInt32, Int8 | Int16 | Int32 | Int64) => wider(&signed(one), other),
        (Float16 | Float32 | Float64, Float16 | Float32 | Float64) => wider(one, other),
        // Whether each integer is a double too is seen by its value.
        (Float16 | Float32 | Float64, integer) | (integer, Float16 | Float32 | Float64) if integer.is_integer() => Float64,
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => either(&LargeUtf8),
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => either(&LargeBinary),
        (Timestamp(unit, zone), Timestamp(its, same)) if zone == same => Timestamp(finer(*unit, *its), zone.clone()),
        (Date32, Timestamp(_, None)) => other.clone(),
        (Timestamp(_, None), Date32) => one.clone(),
        (List(item) | FixedSizeList(item, _), List(its) | FixedSizeList(its, _)) => List(field(item, its)?),
        (LargeList(item) | List(item) | FixedSizeList(item, _), LargeList(its) | List(its) | FixedSizeList(its, _)) => {
            LargeList(field(item, its)?)
        }
        (Struct(fields), Struct(its)) => {
            let mut all: Vec<FieldRef> = Vec::with_capacity(fields.len());
            for mine in fields {
                all.push(match its.iter().find(|field| field.name() == mine.name()) {
                    Some(its) => field(mine, its)?,
                    None => mine.clone(),
                });
            }
            all.extend(its.iter().filter(|its| fields.iter().all(|mine| mine.name() != its.name())).cloned());
            Struct(all.into())
        }
        (Map(entries, sorted), Map(its, _)) => {
            let (Struct(mine), Struct(theirs)) = (entries.data_type(), its.data_type()) else { return None };
            let [key, value] = [0, 1].map(|at| Some(field(mine.get(at)?, theirs.get(at)?)?.as_ref().clone()));
            let fields: Fields = vec![key?.with_nullable(false), value?].into();
            Map(Arc::new(entries.as_ref().clone().with_data_type(Struct(fields))), *sorted)
        }
        _ => return None,
    })
}

fn field(one: &FieldRef, other: &FieldRef) -> Option<FieldRef> {
    let made = one.as_ref().clone().with_data_type(common(one.data_type(), other.data_type())?).with_nullable(true);
    Some(if made == **one { one.clone() } else { Arc::new(made) })
}

fn wider(one: &DataType, other: &DataType) -> DataType {
    if one.primitive_width() >= other.primitive_width() { one.clone() } else { other.clone() }
}

/// The signed integer that holds an unsigned one.
fn signed(unsigned: &DataType) -> DataType {
    match unsigned {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        _ => DataType::Int64,
    }
}

fn finer(one: TimeUnit, other: TimeUnit) -> TimeUnit {
    if one > other { one } else { other }
}

/// Brings answers to the type that they have in common with others.
pub fn fit(answers: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let misfit = |why: String| {
        Error::new(Kind::InvalidArgument, "RESULT_TYPE", why)
            .column(PREDICTION)
            .expected(to)
            .found(answers.data_type())
            .remedy(ask_for(&common(to, answers.data_type()).filter(|wide| wide != to).unwrap_or(DataType::Utf8)))
    };
    if common(to, answers.data_type()).as_ref() != Some(to) {
        return Err(misfit("the model answers some rows in another type than the rows before".into()));
    }
    fitted(answers, to).map_err(|failure| match failure.row {
        Some(row) => misfit(failure.why).remedy(ask_for(&DataType::Utf8)).row(row as u64),
        None => misfit(failure.why),
    })
}

fn fitted(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Failure> {
    let from = array.data_type();
    match (from, to) {
        (from, to) if from == to => Ok(array.clone()),
        (DataType::Null, to) => Ok(new_null_array(to, array.len())),
        (_, DataType::List(item) | DataType::LargeList(item)) => {
            let made = nested::items(array, item, |values, bounds| {
                fitted(values, item.data_type()).map_err(|failure| failure.inside(bounds))
            })?;
            Ok(cast(&made, to)?)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let whole = array.as_struct();
            let column = |field: &FieldRef| match whole.column_by_name(field.name()) {
                Some(column) => fitted(column, field.data_type()),
                None => Ok(new_null_array(field.data_type(), array.len())),
            };
            let columns = fields.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, whole.nulls().cloned(), whole.len())?))
        }
        (DataType::Map(..), DataType::Map(entries, _)) => {
            let DataType::Struct(fields) = entries.data_type() else { return Ok(cast(array, to)?) };
            nested::entries(array.as_map(), to, |values, bounds| {
                fitted(values, fields[1].data_type()).map_err(|failure| failure.inside(bounds))
            })
        }
        (from, to) if numbers::is_number(from) && numbers::is_number(to) => numbers::exact(array, to)
            .map_err(|numbers::Inexact(row)| Failure { row: Some(row), why: "the value would change".into() }),
        _ => Ok(cast(array, to)?),
    }
}

/// The schema of answers of a type.
pub(crate) fn schema_of(kind: &DataType) -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new(PREDICTION, kind.clone(), true)]))
}
