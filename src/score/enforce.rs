//! Schema enforcement: the columns that come become the columns the signature declares.

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};

use super::ScoreOptions;
use crate::{
    error::{Error, Kind, Result},
    mlmodel::Signature,
};

/// How the columns of one input schema become the model's input; made once a stream, applied to each batch.
pub struct Enforcement {
    projection: Vec<usize>,
}

impl Enforcement {
    /// Matches `input` with the signature (else with the model's own columns, else passes all through). Whatever can be refused
    /// by name or type is refused here.
    pub fn plan(signature: &Signature, model: Option<&Schema>, input: &Schema, _options: &ScoreOptions) -> Result<Self> {
        let declared: Option<SchemaRef> = signature.input_schema();
        let projection = match declared.as_deref().or(model) {
            None => (0..input.fields().len()).collect(),
            Some(schema) => schema
                .fields()
                .iter()
                .map(|field| {
                    input.index_of(field.name()).map_err(|_| {
                        Error::new(Kind::InvalidArgument, "MISSING_COLUMN", "the model needs a column that is not there")
                            .column(field.name())
                    })
                })
                .collect::<Result<_>>()?,
        };
        Ok(Self { projection })
    }

    /// Converts a batch of the planned schema.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        Ok(batch.project(&self.projection)?)
    }
}
