//! The record batches with which native sessions answer.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use crate::error::Result;

/// The type of a prediction that has `width` columns of a type.
pub fn several(kind: DataType, width: usize) -> DataType {
    if width == 1 { kind } else { DataType::new_fixed_size_list(kind, i32::try_from(width).unwrap_or(i32::MAX), true) }
}

/// Makes the answers of one stream, whose columns are named by their number. The schema is reused while the types stay the same.
pub struct Answers(SchemaRef);

impl Answers {
    pub fn new() -> Self {
        Self(Arc::new(Schema::empty()))
    }

    /// The next answer.
    pub fn of(&mut self, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        let known = self.0.fields().iter().map(|field| field.data_type());
        if !columns.iter().map(|column| column.data_type()).eq(known) {
            let field = |(at, column): (usize, &ArrayRef)| Field::new(at.to_string(), column.data_type().clone(), true);
            self.0 = Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
        }
        Ok(RecordBatch::try_new(self.0.clone(), columns)?)
    }
}
