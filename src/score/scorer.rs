//! The one scorer every front end uses: enforce, score, convert.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use serde_json::{Map, Value};

use super::{
    Compat, Context, Model, PREDICTION, Session, SessionOptions,
    convert::{self, Conversion},
    enforce::Enforcement,
    params,
};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::Signature,
};

/// What a caller may ask of a [`Scorer`].
#[derive(Debug, Clone, Default)]
pub struct ScoreOptions {
    /// Type of the prediction column; `None` is the model's own, whatever the signature declares.
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
    target: Target,
}

/// The type of the answers.
#[derive(Clone)]
enum Target {
    /// Asked for, or known of the model before it has scored.
    Bound(Arc<Conversion>),
    /// The model's own: known with its first answer, or learned from an earlier one.
    Own(Option<DataType>),
}

impl Target {
    fn known(&self) -> Option<&DataType> {
        match self {
            Self::Bound(conversion) => Some(conversion.result()),
            Self::Own(learned) => learned.as_ref(),
        }
    }
}

impl Scorer {
    /// Joins a model with its signature. Fails when the params or the result type cannot be met.
    pub fn new(model: Arc<dyn Model>, signature: Arc<Signature>, options: ScoreOptions) -> Result<Self> {
        let params = params::bind(signature.params.as_ref(), &options.params)?;
        // Params may change what a model answers.
        let own = model.output().filter(|_| params.is_empty());
        let bound = match (&options.result, own) {
            (Some(asked), _) => Some(Conversion::to_asked(asked, &signature, options.compat)?),
            // Every column is kept as it is: no rule of MLflow concerns it.
            (None, own) => own.map(|own| Conversion::new(convert::own_type(&own), Compat::Exact)),
        };
        let target = bound.map_or(Target::Own(None), |conversion| Target::Bound(Arc::new(conversion)));
        Ok(Self { model, signature, options, params, target })
    }

    /// The columns to send, in order: the signature's inputs, else the model's own; `None` when any columns will do.
    pub fn input(&self) -> Option<SchemaRef> {
        self.signature.input_schema().or_else(|| self.model.input())
    }

    /// The one column that comes back; `None` when only an answer tells its type.
    pub fn output(&self) -> Option<Field> {
        self.target.known().map(|kind| Field::new(PREDICTION, kind.clone(), true))
    }

    /// Type of the answer to no rows, and of answers that are all null, where no other answer tells: the signature's, else double.
    pub fn fallback(&self) -> DataType {
        self.declared().unwrap_or(DataType::Float64)
    }

    /// The type that the signature declares.
    pub fn declared(&self) -> Option<DataType> {
        convert::read_as(&self.signature)
    }

    /// The same scorer once an answer told the type: answers of another are brought to it where every value survives.
    pub fn settled(&self, learned: &DataType) -> Self {
        let target = match &self.target {
            Target::Bound(_) => self.target.clone(),
            Target::Own(_) => Target::Own(Some(self.settle(learned))),
        };
        Self { target, ..self.clone() }
    }

    fn settle(&self, learned: &DataType) -> DataType {
        if learned.is_null() { self.fallback() } else { learned.clone() }
    }

    /// Checks at planning time that batches of this schema can be scored: names, types and whatever else needs no value.
    pub fn check(&self, input: &Schema) -> Result<()> {
        self.enforcement(input).map(|_| ())
    }

    /// What is done with columns of this schema. A signature drops what it does not name, as in MLflow; without one the model's
    /// library refuses it.
    fn enforcement(&self, input: &Schema) -> Result<Enforcement> {
        let own = self.model.input();
        let reads = |from: &DataType| self.model.reads(from);
        let plan = Enforcement::plan_for(&self.signature, own.as_deref(), &reads, input, &self.options)?;
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
        let enforcement = self.enforcement(input)?;
        let result = match &self.target {
            Target::Bound(conversion) => Some(conversion.result().clone()),
            Target::Own(_) => None,
        };
        let session = self.model.session(&SessionOptions {
            params: self.params.clone(),
            result,
            declared: self.declared(),
            compat: self.options.compat,
        })?;
        let schema = self.target.known().map(convert::schema_of);
        Ok(ScorerSession { enforcement, session, target: self.target.clone(), schema, scorer: self.clone() })
    }
}

/// One stream's scoring state.
pub struct ScorerSession {
    enforcement: Enforcement,
    session: Box<dyn Session>,
    target: Target,
    /// Schema of every answer, else of the last one.
    schema: Option<SchemaRef>,
    scorer: Scorer,
}

impl ScorerSession {
    /// Schema of every answer: the one column `prediction`. `None` when only an answer tells its type.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref().filter(|_| self.target.known().is_some())
    }

    /// Schema of the answer to no rows.
    pub fn empty_schema(&self) -> SchemaRef {
        self.schema().cloned().unwrap_or_else(|| convert::schema_of(&self.scorer.fallback()))
    }

    /// Brings every later answer to the type of this one, where only answers tell the type; the answer in it.
    pub fn settle(&mut self, answer: RecordBatch) -> Result<RecordBatch> {
        let Target::Own(learned @ None) = &mut self.target else { return Ok(answer) };
        let kind = self.scorer.settle(answer.column(0).data_type());
        let column = convert::fit(answer.column(0), &kind)?;
        let schema = convert::schema_of(&kind);
        (*learned, self.schema) = (Some(kind), Some(schema.clone()));
        Ok(RecordBatch::try_new(schema, vec![column])?)
    }

    /// Scores a batch: as many rows as came in, in their order. An empty batch never reaches the model.
    ///
    /// Ends early with the context's cancel flag or deadline. The context's memory limit bounds what the batch's conversions
    /// and its answer take. A row named in an error counts from the first of the batch.
    pub fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        if batch.num_rows() == 0 {
            return Ok(RecordBatch::new_empty(self.empty_schema()));
        }
        context.check()?;
        let rows = batch.num_rows();
        let width = self.target.known().and_then(DataType::primitive_width).unwrap_or(16);
        context.reserve(self.enforcement.converted_bytes(rows).saturating_add(rows.saturating_mul(width)))?;
        let input = self.enforcement.apply(batch, context)?;
        let raw = self.session.score(&input, context)?;
        context.check()?;
        context.reserve(raw.columns().iter().map(held).sum())?;
        let column = match &self.target {
            Target::Bound(conversion) => conversion.apply(&raw, rows)?,
            Target::Own(None) => convert::whole(&raw, rows)?,
            Target::Own(Some(learned)) => convert::fit(&convert::whole(&raw, rows)?, learned)?,
        };
        let schema = match &self.schema {
            Some(schema) if schema.field(0).data_type() == column.data_type() => schema.clone(),
            _ => self.schema.insert(convert::schema_of(column.data_type())).clone(),
        };
        Ok(RecordBatch::try_new(schema, vec![column])?)
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
