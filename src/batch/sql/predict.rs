//! The SQL function `predict(...)`: an asynchronous DataFusion function that calls the scorer.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array},
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    common::{DataFusionError, Result as DfResult},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
        async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl},
    },
};

use super::errors::external;
use crate::{
    error::{Error, Kind},
    score::{CancelFlag, Context, Scorer, ScorerSession},
};

/// Name of the function.
pub(super) const NAME: &str = "predict";

/// Rows for which another thread is worth its cost.
const LEAST_ROWS: usize = 512;

#[derive(Clone)]
struct PredictFunction {
    scorer: Scorer,
    /// The model's columns in the order of the arguments.
    expected: Option<SchemaRef>,
    signature: Signature,
    sessions: Arc<Mutex<Vec<(SchemaRef, ScorerSession)>>>,
    workers: usize,
    cancel: CancelFlag,
    trial: Option<Trial>,
}

/// Makes of `predict` a function that returns nulls and records the type of the answers, where the scorer does not know it.
#[derive(Clone)]
pub(super) struct Trial {
    /// The type of the nulls, which the query must accept.
    pub(super) kind: DataType,
    /// The type of the first answers.
    pub(super) told: Arc<Mutex<Option<DataType>>>,
}

/// The function for a model whose columns are `expected`, where it names them.
pub(super) fn function(
    scorer: Scorer,
    expected: Option<SchemaRef>,
    workers: usize,
    cancel: CancelFlag,
    trial: Option<Trial>,
) -> ScalarUDF {
    let arguments = TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]);
    let predict = PredictFunction {
        scorer,
        expected,
        // Answers do not differ from call to call, but the optimizer would copy calls of a function that is not volatile.
        signature: Signature::new(arguments, Volatility::Volatile),
        sessions: Arc::default(),
        workers,
        cancel,
        trial,
    };
    AsyncScalarUDF::new(Arc::new(predict)).into_scalar_udf()
}

impl PredictFunction {
    /// The model's columns for these arguments. A single struct argument stands for its fields.
    fn columns(&self, arguments: &[FieldRef]) -> Result<Fields, Error> {
        if let [only] = arguments
            && let DataType::Struct(fields) = only.data_type()
            && !self.takes_one_struct()
        {
            return Ok(fields.iter().map(|field| Arc::new(plain(field.name(), field.data_type()))).collect());
        }
        let Some(expected) = &self.expected else {
            return Ok(arguments.iter().map(|field| Arc::new(plain(field.name(), field.data_type()))).collect());
        };
        if arguments.len() > expected.fields().len() {
            let message = format!("predict() is given {} columns, the model takes {}", arguments.len(), expected.fields().len());
            return Err(Error::new(Kind::InvalidArgument, "TOO_MANY_COLUMNS", message));
        }
        let named = |(given, own): (&FieldRef, &FieldRef)| Arc::new(plain(own.name(), given.data_type()));
        Ok(arguments.iter().zip(expected.fields()).map(named).collect())
    }

    fn takes_one_struct(&self) -> bool {
        let one = self.expected.as_ref().filter(|schema| schema.fields().len() == 1);
        one.is_some_and(|schema| matches!(schema.field(0).data_type(), DataType::Struct(_)))
    }

    fn batch(&self, args: &ScalarFunctionArgs) -> Result<RecordBatch, DataFusionError> {
        let fields = self.columns(&args.arg_fields).map_err(external)?;
        let arrays = args.args.iter().map(|value| value.to_array(args.number_rows)).collect::<DfResult<Vec<ArrayRef>>>()?;
        let expanded = match arrays.as_slice() {
            [only] if fields.len() != 1 || fields[0].data_type() != only.data_type() => match only.as_struct_opt() {
                Some(whole) => whole.columns().to_vec(),
                None => arrays,
            },
            _ => arrays,
        };
        let options = RecordBatchOptions::new().with_row_count(Some(args.number_rows));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), expanded, &options)?)
    }

    fn score(&self, batch: &RecordBatch) -> Result<ArrayRef, Error> {
        let schema = batch.schema();
        let free = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            let at = sessions.iter().position(|(other, _)| *other == schema);
            at.map(|at| sessions.swap_remove(at).1)
        };
        let mut session = match free {
            Some(session) => session,
            None => self.scorer.open(&schema)?,
        };
        let scored = session.score(batch, &Context::new(self.cancel.clone()))?;
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push((schema, session));
        let Some(trial) = &self.trial else { return Ok(scored.column(0).clone()) };
        let mut told = trial.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref().is_none_or(DataType::is_null) {
            *told = Some(scored.column(0).data_type().clone());
        }
        Ok(new_null_array(&trial.kind, batch.num_rows()))
    }

    fn output(&self) -> Field {
        let known = self.scorer.output().map(|field| field.data_type().clone());
        let trial = || self.trial.as_ref().map(|trial| trial.kind.clone());
        plain(NAME, &known.or_else(trial).unwrap_or(DataType::Null))
    }
}

impl ScalarUDFImpl for PredictFunction {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DfResult<DataType> {
        Ok(self.output().data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let schema = Schema::new(self.columns(args.arg_fields).map_err(external)?);
        self.scorer.check(&schema).map_err(external)?;
        Ok(Arc::new(self.output().with_name(NAME).with_nullable(true)))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(DataFusionError::NotImplemented("predict() here; compute it in a subquery first".into()))
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for PredictFunction {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let batch = self.batch(&args)?;
        let rows = batch.num_rows();
        let pieces = (rows / LEAST_ROWS).clamp(1, self.workers);
        let size = rows.div_ceil(pieces).max(1);
        // The pieces are scored in parallel on threads that may block, and joined in order.
        let tasks: Vec<_> = (0..pieces)
            .map(|piece| {
                let start = (piece * size).min(rows);
                let slice = batch.slice(start, size.min(rows - start));
                let this = self.clone();
                tokio::task::spawn_blocking(move || this.score(&slice))
            })
            .collect();
        let mut scored = Vec::with_capacity(tasks.len());
        for task in tasks {
            let piece = task.await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
            scored.push(piece.map_err(external)?);
        }
        let arrays: Vec<&dyn Array> = scored.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(arrow::compute::concat(&arrays)?))
    }
}

fn plain(name: &str, kind: &DataType) -> Field {
    Field::new(name, kind.clone(), true)
}

impl std::fmt::Debug for PredictFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PredictFunction").field("output", &self.output()).finish_non_exhaustive()
    }
}

// There is one `predict` in a session.
impl PartialEq for PredictFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.sessions, &other.sessions)
    }
}

impl Eq for PredictFunction {}

impl Hash for PredictFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.sessions).hash(state);
    }
}
