//! Which columns the output has, and the conversion of rows to them.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StructArray},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
};

use super::{
    Payload,
    encode::{csv, json, quote},
};
use crate::{
    batch::{format::Format, job::Job, read::Rows},
    error::Result,
};

/// The columns of the output and how they are written.
#[derive(Debug, Clone)]
pub(in crate::batch) struct Layout {
    format: Format,
    /// What separates the cells of CSV.
    delimiter: u8,
    /// Whether the input's columns are kept beside the prediction.
    keep: bool,
    /// Name of the prediction.
    name: String,
    /// Its name where it is written without the input's columns.
    alone: Option<String>,
    /// The prediction; `None` where a query predicts itself.
    prediction: Option<Field>,
    /// The prediction's columns as the output has them: a struct is several in text.
    columns: Vec<String>,
    /// Columns of the input's directories, between the input's own and the prediction.
    extra: Vec<FieldRef>,
}

impl Layout {
    /// The layout of a job without a prediction.
    pub(in crate::batch) fn of(job: &Job, format: Format) -> Self {
        Self {
            format,
            delimiter: job.delimiter.unwrap_or(b','),
            keep: job.keep || job.sql.is_some(),
            name: job.prediction.clone(),
            alone: job.subject.output_name().filter(|_| job.sql.is_none()).map(str::to_owned),
            prediction: None,
            columns: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// The same with a prediction of this type.
    pub(in crate::batch) fn with_prediction(self, prediction: Field) -> Self {
        let columns = match (prediction.data_type(), self.format) {
            (DataType::Struct(fields), Format::Csv | Format::Json) => {
                let full =
                    |field: &FieldRef| if self.keep { format!("{}.{}", self.name, field.name()) } else { field.name().clone() };
                fields.iter().map(full).collect()
            }
            _ => vec![self.alone.clone().filter(|_| !self.keep).unwrap_or_else(|| self.name.clone())],
        };
        Self { prediction: Some(prediction.with_name(&self.name)), columns, ..self }
    }

    /// The same beside columns of the input's directories, where the input's columns are kept at all.
    pub(in crate::batch) fn beside(self, extra: &Schema) -> Self {
        if self.keep { Self { extra: extra.fields().to_vec(), ..self } } else { self }
    }

    /// Names of the columns that the output adds to the input's.
    pub(in crate::batch) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The output's schema, where `carried` are the columns of the input that it has.
    pub(in crate::batch) fn schema(&self, carried: Option<&SchemaRef>) -> SchemaRef {
        let kept = carried.filter(|_| self.keep);
        let mut fields: Vec<FieldRef> = kept.map(|schema| schema.fields().to_vec()).unwrap_or_default();
        fields.extend(self.extra.iter().cloned());
        fields.extend(self.prediction.iter().map(|field| Arc::new(field.clone().with_nullable(true))));
        Arc::new(Schema::new_with_metadata(fields, kept.map(|schema| schema.metadata().clone()).unwrap_or_default()))
    }

    /// The first line of a CSV file.
    pub(in crate::batch) fn header(&self, carried: &[String]) -> Vec<u8> {
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

    /// Joins rows and their predictions.
    pub(in crate::batch) fn encode(&self, rows: Rows, prediction: Option<&ArrayRef>) -> Result<Payload> {
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

    /// The prediction's columns as the output has them.
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
