//! Builds typed columns from CSV cells and JSON values. A value that the type cannot hold exactly is an error.

pub(super) mod decimal;
pub(super) mod numbers;

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, BinaryBuilder, BooleanBuilder, NullBufferBuilder, PrimitiveArray, StringBuilder,
    },
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Float32Type, Float64Type, Int32Type, Int64Type, Schema, TimeUnit},
};
use base64::Engine as _;
use serde_json::Value;

/// Texts that mean "no value" in a column that is not text: the ones that pandas reads as missing.
const MISSING: [&str; 17] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "None", "n/a", "null",
];

fn missing(cell: &str) -> bool {
    cell.len() <= "#N/A N/A".len() && MISSING.contains(&cell)
}

/// A value that the column's type cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::batch::read) struct BadCell {
    pub(in crate::batch::read) row: usize,
    pub(in crate::batch::read) found: String,
}

/// Builds one column.
pub(in crate::batch::read) enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int(NumberBuilder<Int32Type>),
    Long(NumberBuilder<Int64Type>),
    Float(NumberBuilder<Float32Type>),
    Double(NumberBuilder<Float64Type>),
    Text(StringBuilder),
    Binary(BinaryBuilder),
    /// Values that are kept as text and cast by Arrow at the end: times, dates, decimals and numbers of other widths.
    Parsed(StringBuilder, DataType),
    /// Lists, structs and maps, which arrow-json decodes at the end; from JSON only.
    Nested(Vec<Value>, DataType),
}

/// Builds a column of numbers. Unlike Arrow's builder it is inlined into the loop over cells, and keeps no validity before the first null.
pub(in crate::batch::read) struct NumberBuilder<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    /// `None` before the first missing value.
    valid: Option<NullBufferBuilder>,
}

impl<T: ArrowPrimitiveType> NumberBuilder<T> {
    fn with_capacity(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), valid: None }
    }

    #[inline(always)]
    pub(in crate::batch::read) fn append_value(&mut self, value: T::Native) {
        self.values.push(value);
        if let Some(valid) = &mut self.valid {
            valid.append_non_null();
        }
    }

    fn append_null(&mut self) {
        let valid = self.valid.get_or_insert_with(|| {
            let mut valid = NullBufferBuilder::new(self.values.capacity());
            valid.append_n_non_nulls(self.values.len());
            valid
        });
        valid.append_null();
        self.values.push(T::default_value());
    }

    fn finish(self) -> PrimitiveArray<T> {
        PrimitiveArray::new(self.values.into(), self.valid.and_then(|valid| valid.build()))
    }
}

impl ColumnBuilder {
    /// A builder for about `rows` values of type `kind`. `json` allows nested types, which CSV cannot write; `None` for others.
    pub(in crate::batch::read) fn new(kind: &DataType, json: bool, rows: usize) -> Option<Self> {
        Some(match kind {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int32 => Self::Int(NumberBuilder::with_capacity(rows)),
            DataType::Int64 => Self::Long(NumberBuilder::with_capacity(rows)),
            DataType::Float32 => Self::Float(NumberBuilder::with_capacity(rows)),
            DataType::Float64 => Self::Double(NumberBuilder::with_capacity(rows)),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Binary => Self::Binary(BinaryBuilder::new()),
            kind if kind.is_nested() && json => Self::Nested(Vec::new(), kind.clone()),
            kind if kind.is_nested() => return None,
            kind => Self::Parsed(StringBuilder::new(), kind.clone()),
        })
    }

    /// Adds the number at the start of `text`, where it is a whole cell in plain notation, and returns its length. Otherwise adds nothing.
    pub(in crate::batch::read) fn push_start(&mut self, text: &[u8]) -> Option<usize> {
        Some(match self {
            Self::Double(builder) => {
                let (value, length) = numbers::float(text)?;
                builder.append_value(value);
                length
            }
            Self::Float(builder) => {
                let (value, length) = numbers::float(text)?;
                builder.append_value(value);
                length
            }
            Self::Long(builder) => {
                let (value, length) = numbers::whole(text)?;
                builder.append_value(value);
                length
            }
            Self::Int(builder) => {
                let (value, length) = numbers::whole(text)?;
                builder.append_value(i32::try_from(value).ok()?);
                length
            }
            Self::Boolean(_) | Self::Text(_) | Self::Binary(_) | Self::Parsed(..) | Self::Nested(..) => return None,
        })
    }

    /// Adds a CSV cell; returns false when it does not parse.
    pub(in crate::batch::read) fn push_text(&mut self, cell: &str) -> bool {
        if let Self::Text(builder) = self {
            builder.append_option((!cell.is_empty()).then_some(cell));
            return true;
        }
        let cell = cell.trim_matches(|c: char| c == ' ' || c == '\t');
        if missing(cell) {
            self.push_null();
            return true;
        }
        match self {
            Self::Boolean(builder) => parse_bool(cell).map(|value| builder.append_value(value)).is_some(),
            Self::Int(builder) => {
                parse_whole(cell).and_then(|value| i32::try_from(value).ok()).map(|value| builder.append_value(value)).is_some()
            }
            Self::Long(builder) => parse_whole(cell).map(|value| builder.append_value(value)).is_some(),
            Self::Float(builder) => cell.parse().map(|value| builder.append_value(value)).is_ok(),
            Self::Double(builder) => cell.parse().map(|value| builder.append_value(value)).is_ok(),
            Self::Binary(builder) => decode_base64(cell).map(|value| builder.append_value(value)).is_some(),
            Self::Parsed(builder, _) => {
                builder.append_value(cell);
                true
            }
            Self::Text(_) | Self::Nested(..) => false,
        }
    }

    /// Adds a JSON value; returns false when the type cannot hold it.
    pub(in crate::batch::read) fn push_json(&mut self, value: &Value) -> bool {
        match (self, value) {
            (Self::Nested(values, _), value) => {
                values.push(value.clone());
                true
            }
            (cells, Value::Null) => {
                cells.push_null();
                true
            }
            (Self::Text(builder), Value::String(text)) => {
                builder.append_value(text);
                true
            }
            (Self::Text(builder), Value::Number(_) | Value::Bool(_)) => {
                builder.append_value(value.to_string());
                true
            }
            (Self::Boolean(builder), Value::Bool(value)) => {
                builder.append_value(*value);
                true
            }
            (Self::Double(builder), Value::Number(number)) => match number.as_f64() {
                // A whole number beyond 2^53 may not be representable as a double.
                Some(value) if number.is_f64() || number.as_i128().is_some_and(|whole| whole == value as i128) => {
                    builder.append_value(value);
                    true
                }
                _ => false,
            },
            (cells, Value::Number(number)) => !matches!(cells, Self::Binary(_)) && cells.push_text(&number.to_string()),
            // MLflow writes values that JSON cannot express (NaN, times, bytes) as text.
            (cells, Value::String(text)) => cells.push_text(text),
            _ => false,
        }
    }

    /// Adds a missing value.
    pub(in crate::batch::read) fn push_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Long(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Text(builder) | Self::Parsed(builder, _) => builder.append_null(),
            Self::Binary(builder) => builder.append_null(),
            Self::Nested(values, _) => values.push(Value::Null),
        }
    }

    /// The column.
    pub(in crate::batch::read) fn finish(self) -> Result<ArrayRef, BadCell> {
        Ok(match self {
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Long(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Binary(mut builder) => Arc::new(builder.finish()),
            Self::Parsed(mut builder, kind) => {
                let text = builder.finish();
                let options = CastOptions { safe: true, ..CastOptions::default() };
                let bad = |row: usize| BadCell { row, found: format!("'{}'", text.value(row)) };
                let parsed = cast_with_options(&text, &kind, &options).map_err(|_| bad(0))?;
                match (0..text.len()).find(|row| parsed.is_null(*row) && text.is_valid(*row)) {
                    Some(row) => return Err(bad(row)),
                    None => parsed,
                }
            }
            Self::Nested(values, kind) => nested(&values, &kind)?,
        })
    }
}

fn nested(values: &[Value], kind: &DataType) -> Result<ArrayRef, BadCell> {
    let schema = Arc::new(Schema::new(vec![Field::new("value", kind.clone(), true)]));
    let decode = |values: &[Value]| -> Option<ArrayRef> {
        let mut decoder =
            arrow::json::ReaderBuilder::new(schema.clone()).with_batch_size(values.len().max(1)).build_decoder().ok()?;
        let rows: Vec<_> = values.iter().map(|value| std::collections::BTreeMap::from([("value", value)])).collect();
        decoder.serialize(&rows).ok()?;
        Some(decoder.flush().ok()??.column(0).clone())
    };
    if values.is_empty() {
        return Ok(arrow::array::new_empty_array(kind));
    }
    decode(values).ok_or_else(|| {
        let row = (0..values.len()).find(|row| decode(&values[*row..=*row]).is_none()).unwrap_or(0);
        BadCell { row, found: values[row].to_string() }
    })
}

/// Parses a whole number, also in the notation of a float (`5.0`, `1e3`).
pub(in crate::batch::read) fn parse_whole(cell: &str) -> Option<i64> {
    if let Ok(value) = cell.parse() {
        return Some(value);
    }
    let value: f64 = cell.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= (1u64 << 53) as f64).then_some(value as i64)
}

fn parse_bool(cell: &str) -> Option<bool> {
    match cell {
        "true" | "True" | "TRUE" | "1" | "1.0" => Some(true),
        "false" | "False" | "FALSE" | "0" | "0.0" => Some(false),
        _ => None,
    }
}

fn decode_base64(cell: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(cell).ok()
}

/// The type's name as signatures spell it.
pub(in crate::batch::read) fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "long".into(),
        DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Utf8 => "string".into(),
        DataType::Binary => "binary (base64)".into(),
        DataType::Timestamp(_, None) => "datetime".into(),
        DataType::Date32 => "date".into(),
        other => other.to_string(),
    }
}

/// The type that a cell looks like; `None` for a missing value. [`join`] joins those of a column's cells.
pub(in crate::batch::read) fn guess(cell: &str) -> Option<DataType> {
    let cell = cell.trim_matches(|c: char| c == ' ' || c == '\t');
    if missing(cell) {
        return None;
    }
    let first = cell.as_bytes().first().copied().unwrap_or(b'x');
    if first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.') {
        if cell.parse::<i64>().is_ok() {
            return Some(DataType::Int64);
        }
        if cell.parse::<f64>().is_ok() {
            return Some(DataType::Float64);
        }
        return Some(guess_time(cell));
    }
    Some(match cell {
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => DataType::Boolean,
        "nan" | "NaN" | "inf" | "Inf" | "Infinity" | "infinity" => DataType::Float64,
        _ => DataType::Utf8,
    })
}

fn guess_time(cell: &str) -> DataType {
    let bytes = cell.as_bytes();
    let dated = bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[..4].iter().all(u8::is_ascii_digit);
    // A column of times without zone would lose the zone, so a time with one stays text.
    let zoned = cell.ends_with('Z') || cell.get(10..).is_some_and(|time| time.contains(['+', '-']));
    if !dated || zoned {
        return DataType::Utf8;
    }
    if cell.len() == 10 && is_date(cell) {
        return DataType::Date32;
    }
    match arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(cell) {
        Ok(_) if cell.len() > 10 => DataType::Timestamp(TimeUnit::Nanosecond, None),
        _ => DataType::Utf8,
    }
}

/// Whether a cell is a date of the calendar, such as `2024-02-29`.
pub(in crate::batch::read) fn is_date(cell: &str) -> bool {
    <arrow::datatypes::Date32Type as arrow::compute::kernels::cast_utils::Parser>::parse(cell).is_some()
}

/// The type that holds the values of both types; text where they are of different kinds.
pub(in crate::batch::read) fn join(a: Option<DataType>, b: Option<DataType>) -> Option<DataType> {
    use DataType::{Date32, Float64, Int64, Timestamp, Utf8};
    match (a, b) {
        (None, other) | (other, None) => other,
        (Some(a), Some(b)) if a == b => Some(a),
        (Some(Int64), Some(Float64)) | (Some(Float64), Some(Int64)) => Some(Float64),
        (Some(Date32), Some(time @ Timestamp(..))) | (Some(time @ Timestamp(..)), Some(Date32)) => Some(time),
        _ => Some(Utf8),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(kind: DataType, cells: &[&str]) -> Result<ArrayRef, usize> {
        let mut column = ColumnBuilder::new(&kind, false, 0).unwrap();
        for (row, cell) in cells.iter().enumerate() {
            if !column.push_text(cell) {
                return Err(row);
            }
        }
        column.finish().map_err(|bad| bad.row)
    }

    #[test]
    fn cells_parse_exactly_or_not_at_all() {
        let datetime = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let good: [(DataType, &[&str]); 6] = [
            (DataType::Int32, &["1", "-2.0", " 3 ", "NA", ""]),
            (DataType::Int64, &["9223372036854775807", "1e3"]),
            (DataType::Float64, &["0.1", "nan", "-inf", "null"]),
            (DataType::Boolean, &["True", "false", "0", ""]),
            (datetime.clone(), &["2024-01-02T03:04:05", "2024-01-02 03:04:05.5", ""]),
            (DataType::Binary, &["aGk=", ""]),
        ];
        for (kind, cells) in good {
            let column = text(kind.clone(), cells).unwrap();
            assert_eq!((column.len(), column.data_type()), (cells.len(), &kind));
        }
        assert_eq!(text(DataType::Int32, &["1", "2147483648"]).err(), Some(1));
        assert_eq!(text(DataType::Int64, &["1.5"]).err(), Some(0));
        assert_eq!(text(DataType::Float64, &["1", "x"]).err(), Some(1));
        assert_eq!(text(DataType::Boolean, &["yes"]).err(), Some(0));
        assert_eq!(text(datetime, &["2024-01-02", "no"]).err(), Some(1));
        let words = text(DataType::Utf8, &["NA", "", " x "]).unwrap();
        assert_eq!(arrow::array::AsArray::as_string::<i32>(&words).value(0), "NA");
        assert_eq!(words.null_count(), 1);
    }

    #[test]
    fn json_numbers_are_not_bent() {
        let push = |kind: DataType, value: Value| ColumnBuilder::new(&kind, true, 0).unwrap().push_json(&value);
        assert!(push(DataType::Int64, json!(2.0)));
        assert!(!push(DataType::Int64, json!(2.5)));
        assert!(push(DataType::Float64, json!(9007199254740992_i64)));
        assert!(!push(DataType::Float64, json!(9007199254740993_i64)));
        assert!(!push(DataType::Float64, json!(true)));
        assert!(!push(DataType::Boolean, json!({})));
        let list = DataType::new_list(DataType::Int64, true);
        let mut cells = ColumnBuilder::new(&list, true, 0).unwrap();
        for value in [json!([1, 2]), json!(null), json!(["x"])] {
            assert!(cells.push_json(&value));
        }
        assert_eq!(cells.finish().unwrap_err(), BadCell { row: 2, found: "[\"x\"]".into() });
    }

    #[test]
    fn guesses_join_to_what_holds_both() {
        let column = |cells: &[&str]| cells.iter().map(|cell| guess(cell)).fold(None, join);
        assert_eq!(column(&["1", "", "3"]), Some(DataType::Int64));
        assert_eq!(column(&["1", "NA", "0.5", "nan"]), Some(DataType::Float64));
        assert_eq!(column(&["1", "x"]), Some(DataType::Utf8));
        assert_eq!(column(&["2024-01-02", ""]), Some(DataType::Date32));
        assert_eq!(column(&["2024-01-02", "2024-01-02 03:04:05"]), Some(DataType::Timestamp(TimeUnit::Nanosecond, None)));
        assert_eq!(column(&["2024-01-02T03:04:05Z"]), Some(DataType::Utf8));
        assert_eq!(column(&["1-2-3"]), Some(DataType::Utf8));
        assert_eq!(column(&["NA", ""]), None);
    }
}
