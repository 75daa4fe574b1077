//! The common type of a column whose type differs from file to file, and conversion to it: as DataFusion coerces types, but every value is kept
//! or refused. The readers of DataFusion and of the Parquet library round or null what does not fit.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, LargeListArray, MapArray, StructArray, new_null_array},
    compute::{CastOptions, cast, cast_with_options},
    datatypes::{DataType, Field, FieldRef, Fields, TimeUnit},
};

use crate::score::numbers;

/// The type that holds the values of both; `None` where there is none. For 64-bit whole numbers and floats that is double, and a number that
/// double does not hold is refused where it is read.
pub(super) fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{
        Date32, Date64, Dictionary, Duration, FixedSizeList, Map, Null, RunEndEncoded, Struct, Time32, Time64, Timestamp,
    };
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (Dictionary(_, values), other) | (other, Dictionary(_, values)) => common(values, other),
        (RunEndEncoded(_, values), other) | (other, RunEndEncoded(_, values)) => common(values.data_type(), other),
        (Timestamp(one, zone), Timestamp(other, zoned)) => match (zone, zoned) {
            (Some(zone), Some(zoned)) if zone != zoned => Some(Timestamp(*one.max(other), Some("UTC".into()))),
            (Some(_), Some(_)) | (None, None) => Some(Timestamp(*one.max(other), zone.clone())),
            // A time without a zone is no known instant.
            _ => None,
        },
        (Date32 | Date64, time @ Timestamp(_, None)) | (time @ Timestamp(_, None), Date32 | Date64) => Some(time.clone()),
        (Date32, Date64) | (Date64, Date32) => Some(Date64),
        (Time32(one) | Time64(one), Time32(other) | Time64(other)) => Some(time_of_day(*one.max(other))),
        (Duration(one), Duration(other)) => Some(Duration(*one.max(other))),
        (Struct(one), Struct(other)) => record(one, other).map(Struct),
        (Map(one, sorted), Map(other, _)) => {
            let entries = field(one, other)?;
            Some(Map(Arc::new(entries.as_ref().clone().with_nullable(false)), *sorted))
        }
        (FixedSizeList(one, size), FixedSizeList(other, length)) if size == length => {
            Some(FixedSizeList(field(one, other)?, *size))
        }
        _ => numeric(a, b).or_else(|| text(a, b)).or_else(|| bytes(a, b)).or_else(|| list(a, b)),
    }
}

/// Whether columns of these types can all be read as the type that the signature declares, though they have no type in common.
pub(super) fn declares(declared: &DataType, kinds: &[&DataType]) -> bool {
    kinds.iter().all(|kind| match declared {
        DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64 => numbers::is_number(kind) || kind.is_null(),
        DataType::Timestamp(..) => {
            matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Null)
        }
        _ => false,
    })
}

fn time_of_day(unit: TimeUnit) -> DataType {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => DataType::Time32(unit),
        TimeUnit::Microsecond | TimeUnit::Nanosecond => DataType::Time64(unit),
    }
}

/// Whether an integer has a sign, and its bits.
fn integer(kind: &DataType) -> Option<(bool, u32)> {
    Some(match kind {
        DataType::Int8 => (true, 8),
        DataType::Int16 => (true, 16),
        DataType::Int32 => (true, 32),
        DataType::Int64 => (true, 64),
        DataType::UInt8 => (false, 8),
        DataType::UInt16 => (false, 16),
        DataType::UInt32 => (false, 32),
        DataType::UInt64 => (false, 64),
        _ => return None,
    })
}

/// The width of a float.
fn float(kind: &DataType) -> Option<u32> {
    Some(match kind {
        DataType::Float16 => 16,
        DataType::Float32 => 32,
        DataType::Float64 => 64,
        _ => return None,
    })
}

fn numeric(a: &DataType, b: &DataType) -> Option<DataType> {
    if let (Some((signed, bits)), Some((other, others))) = (integer(a), integer(b)) {
        if signed == other {
            return Some(if bits > others { a.clone() } else { b.clone() });
        }
        let (whole, natural) = if signed { (bits, others) } else { (others, bits) };
        return Some(match whole.max(natural * 2) {
            16 => DataType::Int16,
            32 => DataType::Int32,
            64 => DataType::Int64,
            // An unsigned 64-bit integer beside a signed one.
            _ => DataType::Decimal128(20, 0),
        });
    }
    if let (Some(one), Some(other)) = (float(a), float(b)) {
        return Some(if one > other { a.clone() } else { b.clone() });
    }
    let mixed = integer(a).zip(float(b)).or_else(|| integer(b).zip(float(a)));
    if let Some(((_, bits), width)) = mixed {
        // The smallest float with as many significant bits as the integer.
        let enough = match bits {
            8 => 16,
            16 => 32,
            _ => 64,
        };
        return Some(match width.max(enough) {
            16 => DataType::Float16,
            32 => DataType::Float32,
            _ => DataType::Float64,
        });
    }
    let ((digits, scale), (others, other)) = (decimal(a)?, decimal(b)?);
    let places = scale.max(other);
    let before = (i16::from(digits) - i16::from(scale)).max(i16::from(others) - i16::from(other));
    match u8::try_from(before + i16::from(places)).ok()? {
        precision @ ..=38 => Some(DataType::Decimal128(precision, places)),
        precision @ 39..=76 => Some(DataType::Decimal256(precision, places)),
        _ => None,
    }
}

/// Digits and decimal places of a decimal, or of the decimals that hold an integer.
fn decimal(kind: &DataType) -> Option<(u8, i8)> {
    match kind {
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale) => Some((*digits, *scale)),
        other => integer(other).map(|(_, bits)| match bits {
            8 => (3, 0),
            16 => (5, 0),
            32 => (10, 0),
            _ => (20, 0),
        }),
    }
}

fn text(a: &DataType, b: &DataType) -> Option<DataType> {
    (a.is_string() && b.is_string()).then_some(match (a, b) {
        (DataType::LargeUtf8, _) | (_, DataType::LargeUtf8) => DataType::LargeUtf8,
        _ => DataType::Utf8,
    })
}

fn bytes(a: &DataType, b: &DataType) -> Option<DataType> {
    let bytes = |kind: &DataType| kind.is_binary() || matches!(kind, DataType::FixedSizeBinary(_));
    (bytes(a) && bytes(b)).then_some(match (a, b) {
        (DataType::LargeBinary, _) | (_, DataType::LargeBinary) => DataType::LargeBinary,
        _ => DataType::Binary,
    })
}

/// The items of a list and whether its offsets are large.
fn items(kind: &DataType) -> Option<(&FieldRef, bool)> {
    match kind {
        DataType::List(item) | DataType::FixedSizeList(item, _) | DataType::ListView(item) => Some((item, false)),
        DataType::LargeList(item) | DataType::LargeListView(item) => Some((item, true)),
        _ => None,
    }
}

fn list(a: &DataType, b: &DataType) -> Option<DataType> {
    let ((one, large), (other, larger)) = (items(a)?, items(b)?);
    let item = field(one, other)?;
    Some(if large || larger { DataType::LargeList(item) } else { DataType::List(item) })
}

fn field(one: &FieldRef, other: &FieldRef) -> Option<FieldRef> {
    let nullable = one.is_nullable() || other.is_nullable();
    Some(Arc::new(Field::new(one.name(), common(one.data_type(), other.data_type())?, nullable)))
}

/// The fields of both, by name.
fn record(one: &Fields, other: &Fields) -> Option<Fields> {
    let mut fields = Vec::with_capacity(one.len());
    for mine in one {
        fields.push(match other.find(mine.name()) {
            Some((_, theirs)) => Arc::new(field(mine, theirs)?.as_ref().clone().with_nullable(true)),
            None => Arc::new(mine.as_ref().clone().with_nullable(true)),
        });
    }
    let new = other.iter().filter(|theirs| one.find(theirs.name()).is_none());
    fields.extend(new.map(|theirs| Arc::new(theirs.as_ref().clone().with_nullable(true))));
    Some(fields.into())
}

/// Converts to a type that [`common`] returned or that [`declares`] accepts; else returns the first row whose value does not fit.
pub(super) fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, usize> {
    let from = array.data_type();
    if from == to {
        return Ok(array.clone());
    }
    let plain = |kind: &DataType| cast(array, kind).map_err(|_| 0_usize);
    match (from, to) {
        (DataType::Null, _) => Ok(new_null_array(to, array.len())),
        (DataType::Dictionary(_, values), _) => convert(&plain(values)?, to),
        (DataType::RunEndEncoded(_, values), _) => convert(&plain(values.data_type())?, to),
        // The direct cast of days to nanoseconds overflows silently.
        (DataType::Date32, DataType::Timestamp(unit, _)) if *unit != TimeUnit::Second => {
            convert(&plain(&DataType::Timestamp(TimeUnit::Second, None))?, to)
        }
        (DataType::Timestamp(unit, Some(_)), DataType::Timestamp(_, None)) => {
            convert(&plain(&DataType::Timestamp(*unit, None))?, to)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => record_of(array.as_struct(), fields),
        (DataType::Map(..), DataType::Map(entries, sorted)) => map_of(array.as_map(), entries, *sorted),
        _ if numbers::is_number(from) && numbers::is_number(to) => numbers::exact(array, to).map_err(|numbers::Inexact(row)| row),
        _ => match (items(from), items(to)) {
            (Some((own, _)), Some((item, _))) => {
                let lists = plain(&DataType::LargeList(own.clone()))?;
                let made = list_of(lists.as_list(), item)?;
                cast(&made, to).map_err(|_| 0_usize)
            }
            _ => checked(array, to),
        },
    }
}

fn checked(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, usize> {
    let made = cast_with_options(array, to, &CastOptions { safe: true, ..CastOptions::default() }).map_err(|_| 0_usize)?;
    if made.null_count() != array.null_count()
        && let Some(row) = (0..made.len()).find(|row| made.is_null(*row) && array.is_valid(*row))
    {
        return Err(row);
    }
    Ok(made)
}

fn list_of(lists: &LargeListArray, item: &FieldRef) -> Result<ArrayRef, usize> {
    let row_of = |at: usize| lists.offsets().partition_point(|offset| *offset as usize <= at).saturating_sub(1);
    let values = convert(lists.values(), item.data_type()).map_err(row_of)?;
    let made = LargeListArray::try_new(item.clone(), lists.offsets().clone(), values, lists.nulls().cloned());
    Ok(Arc::new(made.map_err(|_| 0_usize)?))
}

fn record_of(rows: &StructArray, fields: &Fields) -> Result<ArrayRef, usize> {
    let column = |field: &FieldRef| match rows.column_by_name(field.name()) {
        Some(column) => convert(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), rows.len())),
    };
    let columns = fields.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let made = StructArray::try_new_with_length(fields.clone(), columns, rows.nulls().cloned(), rows.len());
    Ok(Arc::new(made.map_err(|_| 0_usize)?))
}

fn map_of(maps: &MapArray, entries: &FieldRef, sorted: bool) -> Result<ArrayRef, usize> {
    let DataType::Struct(fields) = entries.data_type() else { return Err(0) };
    let row_of = |at: usize| maps.offsets().partition_point(|offset| *offset as usize <= at).saturating_sub(1);
    let columns = maps.entries().columns().iter().zip(fields);
    let columns = columns.map(|(column, field)| convert(column, field.data_type())).collect::<Result<Vec<_>, _>>();
    let made = StructArray::try_new(fields.clone(), columns.map_err(row_of)?, maps.entries().nulls().cloned());
    let made = made.map_err(|_| 0_usize)?;
    let map = MapArray::try_new(entries.clone(), maps.offsets().clone(), made, maps.nulls().cloned(), sorted);
    Ok(Arc::new(map.map_err(|_| 0_usize)?))
}

#[cfg(test)]
#[path = "unify_tests.rs"]
mod tests;
