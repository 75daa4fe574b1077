//! Signatures of data, by MLflow's rules.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Float16Type, Float32Type, Float64Type, Schema},
};

use super::{ColumnSpec, ColumnType, Property, SchemaSpec, Signature};
use crate::error::{Error, Kind, Result};

impl Signature {
    /// The signature of data: as [`SchemaSpec::infer`] for the inputs, and for the outputs where there are some.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch};
    /// use mlflight::mlmodel::Signature;
    /// let age: ArrayRef = Arc::new(Float64Array::from(vec![Some(31.0), None]));
    /// let visits: ArrayRef = Arc::new(Int32Array::from(vec![3, 4]));
    /// let inputs = RecordBatch::try_from_iter([("age", age), ("visits", visits)])?;
    /// let signature = Signature::infer(&[inputs], None)?;
    /// assert_eq!(
    ///     signature.inputs_json().as_deref(),
    ///     Some(r#"[{"type": "double", "name": "age", "required": false}, {"type": "integer", "name": "visits", "required": true}]"#)
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn infer(inputs: &[RecordBatch], outputs: Option<&[RecordBatch]>) -> Result<Self> {
        let part = |batches: &[RecordBatch]| match batches.first() {
            Some(first) => SchemaSpec::infer(&first.schema(), batches),
            None => Err(Error::new(Kind::InvalidArgument, "NO_DATA", "there is no batch to take a signature from")),
        };
        Ok(Self { inputs: Some(part(inputs)?), outputs: outputs.map(part).transpose()?, params: None })
    }
}

impl SchemaSpec {
    /// The columns of data: types by the schema, and by the values which may be left out. A column is required when no value of these
    /// rows is null or NaN; a property of a record likewise.
    pub fn infer(schema: &Schema, batches: &[RecordBatch]) -> Result<Self> {
        if schema.fields().is_empty() {
            return Err(Error::new(Kind::InvalidArgument, "NO_DATA", "the data has no columns"));
        }
        let rows = concat_batches(&Arc::new(schema.clone()), batches)?;
        let column = |(field, values): (&Arc<arrow::datatypes::Field>, &ArrayRef)| {
            let kind = column_type(values).map_err(|error| error.column(field.name()))?;
            Ok(ColumnSpec { name: Some(field.name().clone()), kind, required: !has_missing(values) })
        };
        schema.fields().iter().zip(rows.columns()).map(column).collect::<Result<_>>().map(Self::Columns)
    }

    /// The same without names, as MLflow declares a list, a series or an array. All columns are required then.
    pub fn unnamed(self) -> Self {
        match self {
            Self::Columns(columns) => {
                Self::Columns(columns.into_iter().map(|column| ColumnSpec { name: None, required: true, ..column }).collect())
            }
            tensors => tensors,
        }
    }
}

/// The type of a column by its values: what Arrow's type says, with the properties that records lack.
fn column_type(values: &ArrayRef) -> Result<ColumnType> {
    Ok(match values.data_type() {
        DataType::Struct(fields) if !fields.is_empty() => {
            let record = values.as_struct();
            let present = arrow::compute::is_not_null(values)?;
            let mut properties = Vec::with_capacity(fields.len());
            for (field, child) in fields.iter().zip(record.columns()) {
                let child = arrow::compute::filter(child, &present)?;
                let kind = column_type(&child).map_err(|error| error.context(format!("property '{}'", field.name())))?;
                // A record that is missing lacks all its properties, as MLflow counts.
                let required = values.null_count() == 0 && !has_missing(&child);
                properties.push(Property { name: field.name().clone(), required, kind });
            }
            properties.sort_by(|a, b| a.name.cmp(&b.name));
            ColumnType::Object(properties)
        }
        DataType::List(_) => {
            let lists = values.as_list::<i32>();
            let (first, last) = (lists.value_offsets()[0], lists.value_offsets()[lists.len()]);
            list_of(&lists.values().slice(first as usize, (last - first) as usize))?
        }
        DataType::LargeList(_) => {
            let lists = values.as_list::<i64>();
            let (first, last) = (lists.value_offsets()[0], lists.value_offsets()[lists.len()]);
            list_of(&lists.values().slice(first as usize, (last - first) as usize))?
        }
        // The zone is no part of MLflow's type.
        DataType::Timestamp(..) => ColumnType::Datetime,
        other => ColumnType::from_arrow(other)?,
    })
}

/// The type of lists of these items; of empty lists without a type, nothing is known.
fn list_of(items: &ArrayRef) -> Result<ColumnType> {
    if items.is_empty() && items.data_type() == &DataType::Null {
        return Ok(ColumnType::Any);
    }
    column_type(items).map(|kind| ColumnType::Array(Box::new(kind)))
}

/// Whether a value is null or NaN. Data without rows lacks nothing.
fn has_missing(values: &ArrayRef) -> bool {
    if values.logical_null_count() > 0 || (values.data_type() == &DataType::Null && !values.is_empty()) {
        return true;
    }
    match values.data_type() {
        DataType::Float16 => values.as_primitive::<Float16Type>().values().iter().any(|value| value.is_nan()),
        DataType::Float32 => values.as_primitive::<Float32Type>().values().iter().any(|value| value.is_nan()),
        DataType::Float64 => values.as_primitive::<Float64Type>().values().iter().any(|value| value.is_nan()),
        _ => false,
    }
}
