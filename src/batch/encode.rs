//! Scored rows into what a writer takes: text, made on the threads that score, or columns.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StructArray},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    json::writer::{EncoderOptions, NullableEncoder, make_encoder},
    util::display::{ArrayFormatter, FormatOptions},
};
use base64::Engine as _;

use super::{Format, source::Rows};
use crate::error::{Error, Kind, Result};

/// How the prediction looks in the output.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    format: Format,
    prediction: Option<Field>,
    /// The prediction's columns as the output has them: several for a struct in text, none where a query predicts itself.
    columns: Vec<String>,
    /// Columns of the input's directories, between the input's own and the prediction.
    extra: Vec<FieldRef>,
    /// What separates the cells of CSV.
    delimiter: u8,
    keep: bool,
}

/// What reaches the writer for a batch of rows.
pub(super) enum Payload {
    Text(Vec<u8>),
    Columns(RecordBatch),
}

impl Payload {
    /// Bytes held until written.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.capacity(),
            Self::Columns(batch) => batch.get_array_memory_size(),
        }
    }
}

impl Layout {
    /// The layout of predictions called `name` beside the input's columns (`keep`), or alone, under `alone`.
    pub(super) fn new(format: Format, prediction: Option<Field>, name: &str, keep: bool, alone: Option<&str>) -> Self {
        let prediction = prediction.map(|field| field.with_name(name));
        let columns = match prediction.as_ref().map(|field| (field.data_type(), format)) {
            None => Vec::new(),
            Some((DataType::Struct(fields), Format::Csv | Format::Json)) => {
                let full = |field: &FieldRef| if keep { format!("{name}.{}", field.name()) } else { field.name().clone() };
                fields.iter().map(full).collect()
            }
            Some(_) => vec![alone.filter(|_| !keep).unwrap_or(name).to_owned()],
        };
        Self { format, prediction, columns, extra: Vec::new(), delimiter: b',', keep }
    }

    /// The same with another separator of CSV cells.
    pub(super) fn separated(self, delimiter: u8) -> Self {
        Self { delimiter, ..self }
    }

    /// The same beside columns of the input's directories, where the input's columns are kept at all.
    pub(super) fn beside(self, extra: &Schema) -> Self {
        if self.keep { Self { extra: extra.fields().to_vec(), ..self } } else { self }
    }

    /// The same layout once the type of the prediction is known.
    pub(super) fn with(&self, prediction: Field, alone: Option<&str>) -> Self {
        let name = self.prediction.as_ref().map_or(crate::score::PREDICTION, |field| field.name());
        let known = Self::new(self.format, Some(prediction), name, self.keep, alone);
        Self { extra: self.extra.clone(), delimiter: self.delimiter, ..known }
    }

    /// Names the output adds to the input's.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The output's schema where `carried` are the input's columns.
    pub(super) fn schema(&self, carried: Option<&SchemaRef>) -> SchemaRef {
        let kept = carried.filter(|_| self.keep);
        let mut fields: Vec<FieldRef> = kept.map(|schema| schema.fields().to_vec()).unwrap_or_default();
        fields.extend(self.extra.iter().cloned());
        fields.extend(self.prediction.iter().map(|field| Arc::new(field.clone().with_nullable(true))));
        Arc::new(Schema::new_with_metadata(fields, kept.map(|schema| schema.metadata().clone()).unwrap_or_default()))
    }

    /// The first line of a CSV file.
    pub(super) fn header(&self, carried: &[String]) -> Vec<u8> {
        let mut line = Vec::new();
        let kept = carried.iter().filter(|_| self.keep);
        let extra = self.extra.iter().map(|field| field.name());
        for (at, name) in kept.chain(extra).chain(&self.columns).enumerate() {
            if at > 0 {
                line.push(self.delimiter);
            }
            quote(name, self.delimiter, &mut line);
        }
        line.push(b'\n');
        line
    }

    /// Only the directories' columns and the prediction, for a Parquet file that gets its other columns elsewhere.
    pub(super) fn alone(&self, rows: &Rows, prediction: ArrayRef) -> Result<Payload> {
        let mut arrays = rows.extra.iter().flat_map(RecordBatch::columns).cloned().collect::<Vec<_>>();
        arrays.push(prediction);
        Ok(Payload::Columns(RecordBatch::try_new(self.schema(None), arrays)?))
    }

    /// Joins rows and their predictions.
    pub(super) fn encode(&self, rows: Rows, prediction: Option<&ArrayRef>) -> Result<Payload> {
        if self.format == Format::Parquet {
            let carried = rows.columns.filter(|_| self.keep);
            let schema = self.schema(carried.as_ref().map(RecordBatch::schema).as_ref());
            let mut arrays = carried.map(|batch| batch.columns().to_vec()).unwrap_or_default();
            arrays.extend(rows.extra.iter().filter(|_| self.keep).flat_map(RecordBatch::columns).cloned());
            arrays.extend(prediction.cloned());
            return Ok(Payload::Columns(RecordBatch::try_new(schema, arrays)?));
        }
        let predicted = prediction.map(|prediction| self.flatten(prediction)).unwrap_or_default();
        let count = rows.model.num_rows();
        let mut values: Vec<(String, ArrayRef)> = Vec::new();
        let carried = rows.columns.as_ref().filter(|_| self.keep);
        if let Some(batch) = carried {
            values.extend(batch.schema().fields().iter().map(|field| field.name().clone()).zip(batch.columns().iter().cloned()));
        }
        let extra = rows.extra.iter().filter(|_| self.keep).flat_map(RecordBatch::columns).cloned();
        values.extend(self.extra.iter().map(|field| field.name().clone()).zip(extra));
        values.extend(self.columns.iter().cloned().zip(predicted));
        let count = carried.map_or(count, RecordBatch::num_rows);
        let own = rows.text.as_ref().map(|(block, records)| (block.bytes.as_slice(), records.as_slice()));
        let reordered = rows.reordered.as_ref().map(|(text, records)| (text.as_slice(), records.as_slice()));
        let lines = reordered.or(own).filter(|_| self.keep && carried.is_none());
        match self.format {
            Format::Csv => csv(&values, lines, count, self.delimiter),
            _ => json(&values, lines, count),
        }
        .map(Payload::Text)
    }

    fn flatten(&self, prediction: &ArrayRef) -> Vec<ArrayRef> {
        match prediction.as_struct_opt() {
            Some(whole) => (0..whole.num_columns()).map(|index| child(whole, index)).collect(),
            None => vec![prediction.clone()],
        }
    }
}

/// A field of a struct, null where the struct is.
fn child(whole: &StructArray, index: usize) -> ArrayRef {
    let column = whole.column(index);
    let Some(nulls) = whole.nulls().filter(|nulls| nulls.null_count() > 0) else { return column.clone() };
    let absent = arrow::array::BooleanArray::new(!nulls.inner(), None);
    arrow::compute::nullif(column, &absent).unwrap_or_else(|_| column.clone())
}

/// The input's own text, and where its records lie in it.
type Lines<'a> = (&'a [u8], &'a [(u32, u32)]);

fn csv(values: &[(String, ArrayRef)], lines: Option<Lines<'_>>, count: usize, delimiter: u8) -> Result<Vec<u8>> {
    let fields: Vec<(FieldRef, ArrayRef)> = values.iter().map(|(name, array)| presentable(name, array)).collect();
    let options = FormatOptions::default();
    let encoding = EncoderOptions::default().with_explicit_nulls(true);
    let mut cells =
        fields.iter().map(|(field, array)| Cell::new(field, array, &options, &encoding)).collect::<Result<Vec<_>>>()?;
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

enum Cell<'a> {
    Plain(ArrayFormatter<'a>, &'a dyn Array),
    Json(NullableEncoder<'a>),
}

impl<'a> Cell<'a> {
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

fn quote(cell: &str, delimiter: u8, out: &mut Vec<u8>) {
    // An empty text is quoted, so that it differs from no value.
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

fn json(values: &[(String, ArrayRef)], lines: Option<Lines<'_>>, count: usize) -> Result<Vec<u8>> {
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

/// Bytes as base64, which is how they are read; the rest as it is.
fn presentable(name: &str, array: &ArrayRef) -> (FieldRef, ArrayRef) {
    let encode = |bytes: Option<&[u8]>| bytes.map(|bytes| base64::engine::general_purpose::STANDARD.encode(bytes));
    let array: ArrayRef = match array.data_type() {
        DataType::Binary => Arc::new(array.as_binary::<i32>().iter().map(encode).collect::<StringArray>()),
        DataType::LargeBinary => Arc::new(array.as_binary::<i64>().iter().map(encode).collect::<StringArray>()),
        _ => array.clone(),
    };
    (Arc::new(Field::new(name, array.data_type().clone(), true)), array)
}
