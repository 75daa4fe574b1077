//! Rows as the text of CSV and JSON lines.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    datatypes::{DataType, Field, FieldRef},
    json::writer::{EncoderOptions, NullableEncoder, make_encoder},
    util::display::{ArrayFormatter, FormatOptions},
};
use base64::Engine as _;

use crate::error::{Error, Kind, Result};

/// The text of the input, and where each record lies in it.
pub(super) type Lines<'a> = (&'a [u8], &'a [(u32, u32)]);

/// Rows of CSV: `values` after the records' own text.
pub(super) fn csv(values: &[(String, ArrayRef)], lines: Option<Lines<'_>>, count: usize, delimiter: u8) -> Result<Vec<u8>> {
    let fields: Vec<(FieldRef, ArrayRef)> = values.iter().map(|(name, array)| presentable(name, array)).collect();
    let options = FormatOptions::default();
    let encoding = EncoderOptions::default().with_explicit_nulls(true);
    let mut cells =
        fields.iter().map(|(field, array)| CellWriter::new(field, array, &options, &encoding)).collect::<Result<Vec<_>>>()?;
    let mut out = Vec::with_capacity(count * 16 * values.len() + lines.map_or(0, |(bytes, _)| bytes.len()));
    let mut scratch = String::new();
    for row in 0..count {
        if let Some((bytes, records)) = lines {
            let (start, end) = records[row];
            out.extend_from_slice(&bytes[start as usize..end as usize]);
        }
        for (at, cell) in cells.iter_mut().enumerate() {
            if at > 0 || lines.is_some() {
                out.push(delimiter);
            }
            cell.write(row, delimiter, &mut scratch, &mut out)?;
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// How the values of a column are written as CSV.
enum CellWriter<'a> {
    Plain(ArrayFormatter<'a>, &'a dyn Array),
    Json(NullableEncoder<'a>),
}

impl<'a> CellWriter<'a> {
    fn new(field: &'a FieldRef, array: &'a ArrayRef, options: &FormatOptions<'a>, encoding: &'a EncoderOptions) -> Result<Self> {
        Ok(if array.data_type().is_nested() {
            Self::Json(make_encoder(field, array, encoding)?)
        } else {
            Self::Plain(ArrayFormatter::try_new(array, options)?, array)
        })
    }

    fn write(&mut self, row: usize, delimiter: u8, scratch: &mut String, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Plain(_, array) if array.is_null(row) => {}
            Self::Plain(formatter, _) => {
                scratch.clear();
                write!(scratch, "{}", formatter.value(row))
                    .map_err(|_| Error::new(Kind::Internal, "FORMAT", "a value cannot be written as text"))?;
                quote(scratch, delimiter, out);
            }
            Self::Json(encoder) if encoder.is_null(row) => {}
            Self::Json(encoder) => {
                let mut text = Vec::new();
                encoder.encode(row, &mut text);
                quote(&String::from_utf8_lossy(&text), delimiter, out);
            }
        }
        Ok(())
    }
}

/// Writes a cell, in quotes where it needs them.
pub(super) fn quote(cell: &str, delimiter: u8, out: &mut Vec<u8>) {
    // An empty text is quoted to tell it from a missing value.
    if !cell.is_empty() && !cell.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(cell.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in cell.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Lines of JSON objects: `values` after the records' own keys.
pub(super) fn json(values: &[(String, ArrayRef)], lines: Option<Lines<'_>>, count: usize) -> Result<Vec<u8>> {
    let fields: Vec<(FieldRef, ArrayRef)> = values.iter().map(|(name, array)| presentable(name, array)).collect();
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let keys: Vec<Vec<u8>> = values
        .iter()
        .map(|(name, _)| serde_json::to_vec(name).map_err(|error| Error::new(Kind::Internal, "FORMAT", error.to_string())))
        .collect::<Result<_>>()?;
    let mut encoders = fields
        .iter()
        .map(|(field, array)| Ok(make_encoder(field, array.as_ref(), &options)?))
        .collect::<Result<Vec<NullableEncoder>>>()?;
    let mut out = Vec::with_capacity(count * 24 * values.len() + lines.map_or(0, |(bytes, _)| bytes.len()));
    for row in 0..count {
        let mut first = true;
        match lines {
            Some((bytes, records)) => {
                let (start, end) = records[row];
                let object = bytes[start as usize..end as usize].trim_ascii();
                let body = &object[..object.len().saturating_sub(1)];
                first = body.trim_ascii_end() == b"{";
                out.extend_from_slice(body);
            }
            None => out.push(b'{'),
        }
        for (key, encoder) in keys.iter().zip(&mut encoders) {
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(key);
            out.push(b':');
            if encoder.is_null(row) {
                out.extend_from_slice(b"null");
            } else {
                encoder.encode(row, &mut out);
            }
        }
        out.extend_from_slice(b"}\n");
    }
    Ok(out)
}

/// Converts bytes to base64, as the readers of CSV and JSON expect them; other values stay as they are.
fn presentable(name: &str, array: &ArrayRef) -> (FieldRef, ArrayRef) {
    let encode = |bytes: Option<&[u8]>| bytes.map(|bytes| base64::engine::general_purpose::STANDARD.encode(bytes));
    let array: ArrayRef = match array.data_type() {
        DataType::Binary => Arc::new(array.as_binary::<i32>().iter().map(encode).collect::<StringArray>()),
        DataType::LargeBinary => Arc::new(array.as_binary::<i64>().iter().map(encode).collect::<StringArray>()),
        _ => array.clone(),
    };
    (Arc::new(Field::new(name, array.data_type().clone(), true)), array)
}
