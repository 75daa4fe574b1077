//! Output conversion: what the model returned becomes one column of the result type.

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::DataType,
};

use super::Compat;
use crate::{
    error::{Error, Kind, Result},
    mlmodel::Signature,
};

/// How the model's columns become the result column.
pub struct Conversion {
    result: DataType,
}

impl Conversion {
    /// The type of the prediction column: the asked one, else the signature's, else the native model's own, else double.
    pub fn result_type(asked: Option<&DataType>, _signature: &Signature, model: Option<&DataType>) -> Result<DataType> {
        Ok(asked.or(model).cloned().unwrap_or(DataType::Float64))
    }

    /// A conversion to `result`.
    pub fn new(result: DataType, _compat: Compat) -> Self {
        Self { result }
    }

    /// Converts what the model returned for `rows` rows.
    pub fn apply(&self, raw: &RecordBatch, rows: usize) -> Result<ArrayRef> {
        if raw.num_rows() != rows {
            return Err(Error::new(
                Kind::ModelFailed,
                "ROW_COUNT",
                format!("the model returned {} rows for {rows}", raw.num_rows()),
            ));
        }
        Ok(arrow::compute::cast(raw.column(0), &self.result)?)
    }
}
