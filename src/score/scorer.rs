//! The one scorer every front end uses: enforce, score, convert.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use serde_json::{Map, Value};

use super::{Compat, Context, Model, PREDICTION, Session, SessionOptions, convert::Conversion, enforce::Enforcement, params};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::Signature,
};

/// What a caller may ask of a [`Scorer`].
#[derive(Debug, Clone, Default)]
pub struct ScoreOptions {
    /// Type of the prediction column; `None` takes the signature's, then the model's own, then double.
    pub result: Option<DataType>,
    /// Which conversion rules apply.
    pub compat: Compat,
    /// Inference params as given by the user, before defaults.
    pub params: Map<String, Value>,
    /// IANA name of the session's time zone, for timestamps with a zone that go to a naive `datetime`. `None` is UTC.
    pub time_zone: Option<String>,
}

/// A model with its signature's rules in front and the result type's behind. Cheap to clone.
#[derive(Clone)]
pub struct Scorer {
    model: Arc<dyn Model>,
    signature: Arc<Signature>,
    options: ScoreOptions,
    params: Map<String, Value>,
    output: DataType,
}

impl Scorer {
    /// Joins a model with its signature. Fails when the params or the result type cannot be met.
    pub fn new(model: Arc<dyn Model>, signature: Arc<Signature>, options: ScoreOptions) -> Result<Self> {
        let params = params::bind(signature.params.as_ref(), &options.params)?;
        let output = Conversion::result_type(options.result.as_ref(), &signature, model.output().as_ref())?;
        Ok(Self { model, signature, options, params, output })
    }

    /// The columns to send, in order: the signature's inputs, else the model's own; `None` when any columns will do.
    pub fn input(&self) -> Option<SchemaRef> {
        self.signature.input_schema().or_else(|| self.model.input())
    }

    /// The one column that comes back.
    pub fn output(&self) -> Field {
        Field::new(PREDICTION, self.output.clone(), true)
    }

    /// Checks at planning time that batches of this schema can be scored: names, types and whatever else needs no value.
    pub fn check(&self, input: &Schema) -> Result<()> {
        self.plan(input).map(|_| ())
    }

    /// What is done with columns of this schema. A signature drops what it does not name, as in MLflow; without one the model's
    /// library refuses it.
    fn plan(&self, input: &Schema) -> Result<Enforcement> {
        let own = self.model.input();
        let plan = Enforcement::plan(&self.signature, own.as_deref(), input, &self.options)?;
        let unknown = plan.unknown().iter().find(|name| !self.model.leaves_out(name));
        match unknown {
            None => Ok(plan),
            Some(name) => {
                let own = own.iter().flat_map(|schema| schema.fields()).map(|field| field.name().as_str());
                let message = "the model was not trained with this column";
                Err(Error::new(Kind::InvalidArgument, "FEATURE_MISMATCH", message)
                    .column(name)
                    .expected(format!("[{}]", own.collect::<Vec<_>>().join(", ")))
                    .found(format!(
                        "[{}]",
                        input.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
                    ))
                    .remedy("leave the column out, or save the model with a signature, which drops what it does not name"))
            }
        }
    }

    /// Starts one stream of batches that all have the schema `input`.
    pub fn open(&self, input: &Schema) -> Result<ScorerSession> {
        let enforcement = self.plan(input)?;
        let session = self.model.session(&SessionOptions { params: self.params.clone(), result: Some(self.output.clone()) })?;
        let conversion = Conversion::new(self.output.clone(), self.options.compat);
        let schema = Arc::new(Schema::new(vec![self.output()]));
        Ok(ScorerSession { enforcement, session, conversion, schema })
    }
}

/// One stream's scoring state.
pub struct ScorerSession {
    enforcement: Enforcement,
    session: Box<dyn Session>,
    conversion: Conversion,
    schema: SchemaRef,
}

impl ScorerSession {
    /// Schema of every answer: the one column `prediction`.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Scores a batch: as many rows as came in, in their order. An empty batch never reaches the model.
    ///
    /// Ends early with the context's cancel flag or deadline. The context's memory limit bounds what the batch's conversions
    /// and its answer take. A row named in an error counts from the first of the batch.
    pub fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        if batch.num_rows() == 0 {
            return Ok(RecordBatch::new_empty(self.schema.clone()));
        }
        context.check()?;
        let rows = batch.num_rows();
        let width = self.schema.field(0).data_type().primitive_width().unwrap_or(16);
        context.reserve(self.enforcement.converted_bytes(rows).saturating_add(rows.saturating_mul(width)))?;
        let input = self.enforcement.apply(batch, context)?;
        let raw = self.session.score(&input, context)?;
        context.check()?;
        context.reserve(raw.columns().iter().map(held).sum())?;
        let column = self.conversion.apply(&raw, rows)?;
        Ok(RecordBatch::try_new(self.schema.clone(), vec![column])?)
    }
}

/// Bytes of an array's values. By slice: columns read from one IPC message share its buffer.
fn held(array: &ArrayRef) -> usize {
    match (array.data_type().primitive_width(), array.nulls()) {
        // Most answers are such, and need no copy of their metadata.
        (Some(width), None) => array.len() * width,
        _ => array.to_data().get_slice_memory_size().unwrap_or_default(),
    }
}

#[cfg(test)]
#[path = "scorer_tests.rs"]
mod tests;
