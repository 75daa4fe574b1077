//! Values as Python's `str()` writes them: a result type of string asks for the text of every value.
//!
//! A null stays null, or is `None` (`nan` in a text column, as in pandas 3) as MLflow has it; floats have their shortest digits (`1.0`, `1e+16`, `nan`), booleans are `True` and `False`, timestamps are as
//! pandas writes them, bytes and what lies in lists and records as `repr()` does. float32 is widened first, as pandas does.

use std::{
    fmt::{Result as FmtResult, Write},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, StringBuilder},
    compute::cast,
    datatypes::{DataType, Float64Type, TimeUnit, TimestampNanosecondType},
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};

/// The text of every value of an array. Nulls stay null (`keep_nulls`), or are texts too.
pub(super) fn python_str(array: &ArrayRef, keep_nulls: bool) -> Result<ArrayRef, ArrowError> {
    let writer = Writer::new(array)?;
    let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 8);
    let nulls = array.logical_nulls();
    // pandas' text columns hold NaN where a value is missing.
    let missing = if matches!(writer, Writer::Text(_)) { "nan" } else { "None" };
    for row in 0..array.len() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            builder.append_option((!keep_nulls).then_some(missing));
            continue;
        }
        writer.write(row, false, &mut builder).map_err(|error| ArrowError::CastError(error.to_string()))?;
        builder.append_value("");
    }
    Ok(Arc::new(builder.finish()))
}

/// Python's text of one type.
enum Writer {
    Float(ArrayRef),
    Bool(ArrayRef),
    Text(ArrayRef),
    Bytes(ArrayRef),
    Timestamp(ArrayRef),
    List(ArrayRef, Vec<i64>, Box<Writer>),
    Record(ArrayRef, Vec<(String, Writer)>),
    Map(ArrayRef, Vec<i64>, Box<Writer>, Box<Writer>),
    Other(ArrayRef),
}

impl Writer {
    fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float(cast(array, &DataType::Float64)?),
            DataType::Boolean => Self::Bool(array.clone()),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text(cast(array, &DataType::Utf8)?),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::Bytes(cast(array, &DataType::Binary)?)
            }
            DataType::Timestamp(_, None) => Self::Timestamp(cast(array, &DataType::Timestamp(TimeUnit::Nanosecond, None))?),
            DataType::Dictionary(_, values) => return Self::new(&cast(array, values)?),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                let list = cast(array, &DataType::LargeList(item.clone()))?;
                let lists = list.as_list::<i64>();
                Self::List(list.clone(), lists.value_offsets().to_vec(), Box::new(Self::new(lists.values())?))
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                let writers = columns.map(|(field, column)| Ok((field.name().clone(), Self::new(column)?)));
                Self::Record(array.clone(), writers.collect::<Result<_, ArrowError>>()?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let offsets = map.value_offsets().iter().map(|&offset| offset.into()).collect();
                Self::Map(array.clone(), offsets, Box::new(Self::new(map.keys())?), Box::new(Self::new(map.values())?))
            }
            _ => Self::Other(array.clone()),
        })
    }

    fn array(&self) -> &ArrayRef {
        match self {
            Self::Float(array) | Self::Bool(array) | Self::Text(array) | Self::Bytes(array) | Self::Timestamp(array) => array,
            Self::List(array, ..) | Self::Record(array, _) | Self::Map(array, ..) | Self::Other(array) => array,
        }
    }

    /// One value, as `repr()` when it lies in another.
    fn write(&self, row: usize, inside: bool, out: &mut dyn Write) -> FmtResult {
        if self.array().is_null(row) {
            return out.write_str("None");
        }
        match self {
            Self::Float(array) => float(array.as_primitive::<Float64Type>().value(row), out),
            Self::Bool(array) => out.write_str(if array.as_boolean().value(row) { "True" } else { "False" }),
            Self::Text(array) if inside => quoted(array.as_string::<i32>().value(row), out),
            Self::Text(array) => out.write_str(array.as_string::<i32>().value(row)),
            Self::Bytes(array) => bytes(array.as_binary::<i32>().value(row), out),
            Self::Timestamp(array) => timestamp(array.as_primitive::<TimestampNanosecondType>().value(row), inside, out),
            Self::List(_, offsets, items) => {
                out.write_char('[')?;
                for (nth, item) in (offsets[row]..offsets[row + 1]).enumerate() {
                    out.write_str(if nth == 0 { "" } else { ", " })?;
                    items.write(item as usize, true, out)?;
                }
                out.write_char(']')
            }
            Self::Record(_, fields) => {
                out.write_char('{')?;
                for (nth, (name, values)) in fields.iter().enumerate() {
                    out.write_str(if nth == 0 { "" } else { ", " })?;
                    quoted(name, out)?;
                    out.write_str(": ")?;
                    values.write(row, true, out)?;
                }
                out.write_char('}')
            }
            Self::Map(_, offsets, keys, values) => {
                out.write_char('{')?;
                for (nth, entry) in (offsets[row]..offsets[row + 1]).enumerate() {
                    out.write_str(if nth == 0 { "" } else { ", " })?;
                    keys.write(entry as usize, true, out)?;
                    out.write_str(": ")?;
                    values.write(entry as usize, true, out)?;
                }
                out.write_char('}')
            }
            Self::Other(array) => {
                let options = FormatOptions::default();
                let formatter = ArrayFormatter::try_new(array.as_ref(), &options).map_err(|_| std::fmt::Error)?;
                match (inside, array.data_type().is_decimal()) {
                    (true, true) => write!(out, "Decimal('{}')", formatter.value(row)),
                    _ => write!(out, "{}", formatter.value(row)),
                }
            }
        }
    }
}

/// Python's `repr` of a float: shortest digits, an exponent below 1e-4 and from 1e16 on.
fn float(value: f64, out: &mut dyn Write) -> FmtResult {
    if value.is_nan() {
        return out.write_str("nan");
    }
    if value.is_infinite() {
        return out.write_str(if value > 0.0 { "inf" } else { "-inf" });
    }
    let size = value.abs();
    if size == 0.0 || (1e-4..1e16).contains(&size) {
        return write!(out, "{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    write!(out, "{digits}e{sign}{exponent:0>2}")
}

/// Python's `repr` of a text.
fn quoted(text: &str, out: &mut dyn Write) -> FmtResult {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c if c == quote => write!(out, "\\{c}")?,
            c if c.is_control() => write!(out, "\\x{:02x}", c as u32)?,
            c => out.write_char(c)?,
        }
    }
    out.write_char(quote)
}

fn bytes(value: &[u8], out: &mut dyn Write) -> FmtResult {
    let quote = if value.contains(&b'\'') && !value.contains(&b'"') { '"' } else { '\'' };
    write!(out, "b{quote}")?;
    for &byte in value {
        match byte {
            b'\\' => out.write_str("\\\\")?,
            b'\n' => out.write_str("\\n")?,
            b'\r' => out.write_str("\\r")?,
            b'\t' => out.write_str("\\t")?,
            byte if char::from(byte) == quote => write!(out, "\\{quote}")?,
            b' '..=b'~' => out.write_char(char::from(byte))?,
            byte => write!(out, "\\x{byte:02x}")?,
        }
    }
    out.write_char(quote)
}

/// pandas' text of a timestamp: as many digits of a second as it needs, in groups of 3 beyond microseconds.
fn timestamp(nanos: i64, inside: bool, out: &mut dyn Write) -> FmtResult {
    let at = chrono::DateTime::from_timestamp_nanos(nanos).naive_utc();
    let (open, close) = if inside { ("Timestamp('", "')") } else { ("", "") };
    out.write_str(open)?;
    write!(out, "{}", at.format("%Y-%m-%d %H:%M:%S"))?;
    match nanos.rem_euclid(1_000_000_000) {
        0 => {}
        part if part % 1000 == 0 => write!(out, ".{:06}", part / 1000)?,
        part => write!(out, ".{part:09}")?,
    }
    out.write_str(close)
}
