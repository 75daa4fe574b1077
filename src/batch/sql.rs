//! `--sql`: a DataFusion query over the table `input`, as a source of rows.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::{
    common::{
        DataFusionError,
        tree_node::{TreeNode as _, TreeNodeRecursion},
    },
    execution::{SendableRecordBatchStream, runtime_env::RuntimeEnvBuilder},
    logical_expr::{Expr as LogicalExpr, LogicalPlan, LogicalPlanBuilder, ScalarUDF},
    prelude::{SessionConfig, SessionContext},
    sql::{
        parser::Statement,
        sqlparser::ast::{
            Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Statement as SqlStatement,
            visit_expressions_mut,
        },
    },
};
use futures::StreamExt as _;

use super::{
    Format, Job,
    budget::Budget,
    inputs::InputFile,
    predict::{self, NAME},
    select::Subject,
    source::{Lane, Raw, Rows, Source, Wants, names, rename},
    table,
};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::SchemaSpec,
    score::{CancelFlag, Scorer},
};

/// How often a query that gives no rows is asked whether it is still wanted.
const TICK: Duration = Duration::from_millis(200);

/// A query's result as a source of one part.
pub(super) struct QuerySource {
    runtime: Arc<tokio::runtime::Runtime>,
    stream: Mutex<Option<SendableRecordBatchStream>>,
    schema: SchemaRef,
    model: SchemaRef,
    columns: Vec<usize>,
    row_bytes: usize,
    cancel: CancelFlag,
    /// Whether the query calls `predict` itself.
    pub(super) predicts: bool,
}

impl QuerySource {
    /// Plans the job's query.
    pub(super) fn plan(
        job: &Job,
        sql: &str,
        files: &[InputFile],
        format: Format,
        reserved: &[String],
        budget: &Budget,
        cancel: &CancelFlag,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(budget.workers)
            .thread_name("query")
            .enable_all()
            .build()
            .map_err(|error| Error::new(Kind::ResourceExhausted, "THREADS", "no thread could be started").source(error))?;
        let subject = &job.subject;
        let context = context(budget)?;
        let expected = subject.expected();
        let function = |scorer: &Scorer, trial: Option<predict::Trial>| {
            predict::function(scorer.clone(), expected.clone(), budget.workers, cancel.clone(), trial)
        };
        context.register_udf(function(&subject.scorer, None));
        let wants = Wants {
            subject,
            columns: None,
            carry: true,
            reserved: &[],
            table: true,
            by_file: false,
            delimiter: job.delimiter,
            cancel,
        };
        let table = runtime.block_on(table::register(&context, files, format, &wants, budget))?;
        let (mut statement, text) = (parse(&context, sql)?, sql);
        let fill = job.columns.clone().unwrap_or_else(|| arguments(subject, expected.as_ref(), &table));
        let (calls, bare) = fill_arguments(&mut statement, &fill);
        if bare && fill.is_empty() {
            return Err(Error::new(
                Kind::InvalidArgument,
                "PREDICT_ARGUMENTS",
                "predict() without arguments needs a model that names its columns",
            )
            .remedy("give the columns: predict(a, b)"));
        }
        if calls && subject.scorer.output().is_none() {
            let told = runtime.block_on(learn(&context, &statement, &|trial| function(&subject.scorer, Some(trial))));
            let told = told.map_err(|error| failed(error).context(format_args!("--sql '{}'", short(text))))?;
            context.register_udf(function(&subject.scorer.settled(&told), None));
        }
        let stream = runtime.block_on(async {
            let plan = context.state().statement_to_plan(statement).await?;
            let frame = context.execute_logical_plan(plan).await?;
            refuse_misplaced(&frame.clone().into_optimized_plan()?)?;
            frame.execute_stream().await
        });
        let stream = stream.map_err(|error| failed(error).context(format_args!("--sql '{}'", short(text))))?;
        let schema = stream.schema();
        let (model, columns) = if calls {
            (Arc::new(Schema::empty()), Vec::new())
        } else {
            let output = names(&schema);
            if let Some(name) = reserved.iter().find(|name| output.contains(name)) {
                return Err(super::json::taken(name).context("the query's result"));
            }
            let selection = subject.select(&output, job.columns.as_deref())?;
            (selection.schema(&schema), selection.indices())
        };
        let row_bytes = schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(32)).sum();
        let stream = Mutex::new(Some(stream));
        Ok(Self {
            runtime: Arc::new(runtime),
            stream,
            schema,
            model,
            columns,
            row_bytes,
            cancel: cancel.clone(),
            predicts: calls,
        })
    }

    /// Columns of the query's result.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// Rows that are scored to learn the type of the predictions, which a query's plan must know.
const SAMPLE: usize = 100;

/// Scores the first rows that a query's innermost `predict(...)` gets; the type of its answers.
async fn learn(
    context: &SessionContext,
    statement: &Statement,
    function: &dyn Fn(predict::Trial) -> ScalarUDF,
) -> std::result::Result<DataType, DataFusionError> {
    let told = Arc::default();
    let mut planned = Err(DataFusionError::Plan("no type was tried".into()));
    // What is made of the predictions must be planned to find the calls: the first type that allows it will do.
    for kind in [DataType::Null, DataType::Float64, DataType::Utf8, DataType::Boolean] {
        context.register_udf(function(predict::Trial { kind, told: Arc::clone(&told) }));
        planned = context.state().statement_to_plan(statement.clone()).await;
        if planned.is_ok() {
            break;
        }
    }
    let plan = planned?;
    let mut call: Option<(LogicalExpr, LogicalPlan)> = None;
    plan.apply_with_subqueries(|node| {
        let inputs = node.inputs();
        for expr in node.expressions() {
            expr.apply(|inner| {
                let found = matches!(inner, LogicalExpr::ScalarFunction(function) if function.name() == NAME);
                if let ([input], true) = (inputs.as_slice(), found) {
                    call = Some((inner.clone(), (*input).clone()));
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if let Some((call, input)) = call {
        let sample = LogicalPlanBuilder::from(input).limit(0, Some(SAMPLE))?.project([call.alias(NAME)])?.build()?;
        context.execute_logical_plan(sample).await?.collect().await?;
    }
    let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(told.unwrap_or(DataType::Null))
}

/// The columns that `predict()` means: the signature's names, without optional ones that the table lacks.
fn arguments(subject: &Subject, expected: Option<&SchemaRef>, table: &Schema) -> Vec<String> {
    let optional = |at: usize| match &subject.signature.inputs {
        Some(SchemaSpec::Columns(columns)) => columns.get(at).is_some_and(|column| !column.required),
        _ => false,
    };
    let Some(expected) = expected else { return Vec::new() };
    let mut all = names(expected);
    // Arguments go by position, so only optional columns at the end can be left out.
    while all.last().is_some_and(|name| optional(all.len() - 1) && table.index_of(name).is_err()) {
        all.pop();
    }
    all
}

fn context(budget: &Budget) -> Result<SessionContext> {
    // One partition: rows stay in the order of the input. The work that costs, scoring, runs on all cores all the same.
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(budget.rows(256).max(1024));
    let options = config.options_mut();
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    // What a sort keeps back for merging what it has spilled: its default is more than all of a small limit.
    let reservation = &mut options.execution.sort_spill_reservation_bytes;
    *reservation = (*reservation).min(budget.query / 8);
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(budget.query, 1.0).build_arc().map_err(failed)?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

fn parse(context: &SessionContext, sql: &str) -> Result<Statement> {
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement =
        state.sql_to_statement(sql, &dialect).map_err(|error| failed(error).context(format_args!("--sql '{}'", short(sql))))?;
    match &statement {
        Statement::Statement(inner) if matches!(**inner, SqlStatement::Query(_)) => Ok(statement),
        _ => Err(Error::new(Kind::InvalidArgument, "NOT_A_QUERY", format!("--sql '{}' is no query", short(sql)))
            .remedy("write SELECT … FROM input")),
    }
}

/// Gives every `predict()` without arguments `columns`. Whether `predict` is called at all, and whether without arguments.
fn fill_arguments(statement: &mut Statement, columns: &[String]) -> (bool, bool) {
    let (mut calls, mut bare) = (false, false);
    let Statement::Statement(inner) = statement else { return (false, false) };
    let _ = visit_expressions_mut(inner, |expr| {
        if let Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) = expr
            && name.to_string().trim_matches('"').eq_ignore_ascii_case(NAME)
        {
            calls = true;
            if list.args.is_empty() {
                bare = true;
                let column =
                    |name: &String| FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(Ident::with_quote('"', name))));
                list.args = columns.iter().map(column).collect();
            }
        }
        ControlFlow::<()>::Continue(())
    });
    (calls, bare)
}

/// DataFusion runs async functions in projections, filters and arguments of one aggregate.
fn refuse_misplaced(plan: &LogicalPlan) -> std::result::Result<(), DataFusionError> {
    let calls = |expr: &LogicalExpr| {
        expr.exists(|inner| Ok(matches!(inner, LogicalExpr::ScalarFunction(function) if function.name() == NAME)))
    };
    let misplaced = plan.exists(|node| {
        let keyed = match node {
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => return Ok(false),
            LogicalPlan::Aggregate(aggregate) => {
                let used = aggregate.aggr_expr.iter().map(calls).collect::<std::result::Result<Vec<_>, _>>()?;
                if used.iter().filter(|used| **used).count() <= 1 {
                    aggregate.group_expr.clone()
                } else {
                    return Ok(true);
                }
            }
            other => other.expressions(),
        };
        keyed.iter().try_fold(false, |found, expr| Ok(found || calls(expr)?))
    })?;
    if misplaced {
        let error = Error::new(Kind::Unimplemented, "PREDICT_HERE", "predict() cannot be used as a key or in several aggregates")
            .remedy("compute it in a subquery: SELECT … FROM (SELECT *, predict() AS p FROM input)");
        return Err(predict::external(error));
    }
    Ok(())
}

fn short(sql: &str) -> String {
    match sql.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &sql[..cut]),
        None => sql.to_owned(),
    }
}

/// Our error out of DataFusion's, or its kind in our terms.
pub(super) fn failed(error: DataFusionError) -> Error {
    let text = error.strip_backtrace();
    let kind = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Kind::ResourceExhausted,
        DataFusionError::NotImplemented(_) => Kind::Unimplemented,
        DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => Kind::Internal,
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => Kind::FailedPrecondition,
        _ => Kind::InvalidArgument,
    };
    match own(error) {
        Ok(error) => error,
        // DataFusion's own words advise settings that a user of ours cannot set.
        Err(error) if kind == Kind::ResourceExhausted => {
            Error::new(kind, "SQL_MEMORY", "the query needs more memory than --memory-limit leaves it")
                .source(error)
                .remedy("raise --memory-limit")
        }
        Err(error) => Error::new(kind, "SQL", text).source(error),
    }
}

fn own(error: DataFusionError) -> std::result::Result<Error, DataFusionError> {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(error) => Ok(*error),
            Err(inner) => match inner.downcast::<DataFusionError>() {
                Ok(inner) => own(*inner),
                Err(inner) => Err(DataFusionError::External(inner)),
            },
        },
        DataFusionError::Context(text, inner) => own(*inner).map_err(|inner| DataFusionError::Context(text, Box::new(inner))),
        DataFusionError::Diagnostic(note, inner) => {
            own(*inner).map_err(|inner| DataFusionError::Diagnostic(note, Box::new(inner)))
        }
        DataFusionError::Shared(shared) => match Arc::try_unwrap(shared) {
            Ok(inner) => own(inner),
            Err(shared) => Err(DataFusionError::Shared(shared)),
        },
        DataFusionError::ArrowError(inner, text) => match *inner {
            arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<DataFusionError>() {
                Ok(inner) => own(*inner),
                Err(inner) => own(DataFusionError::External(inner)),
            },
            inner => Err(DataFusionError::ArrowError(Box::new(inner), text)),
        },
        other => Err(other),
    }
}

impl Source for QuerySource {
    fn parts(&self) -> usize {
        1
    }

    fn file(&self, _part: usize) -> String {
        "the query's result".into()
    }

    fn open(&self, _part: usize, budget: &Budget) -> Result<Box<dyn Lane>> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stream = stream.ok_or_else(|| Error::new(Kind::Internal, "QUERY_TWICE", "the query was run twice"))?;
        let bytes = budget.rows(256).max(1024) * self.row_bytes;
        Ok(Box::new(QueryLane {
            runtime: self.runtime.clone(),
            stream,
            model: self.model.clone(),
            columns: self.columns.clone(),
            row: 0,
            bytes,
            cancel: self.cancel.clone(),
        }))
    }

    fn decode(&self, _part: usize, raw: Raw) -> Result<Rows> {
        let Raw::Batch { model, carried, first_row } = raw else {
            return Err(Error::new(Kind::Internal, "RAW_KIND", "a query gave text"));
        };
        Ok(Rows { model, columns: carried, extra: None, text: None, reordered: None, first_row })
    }

    fn model_schema(&self) -> &SchemaRef {
        &self.model
    }

    fn total_rows(&self) -> Option<u64> {
        None
    }

    fn total_bytes(&self) -> u64 {
        0
    }
}

struct QueryLane {
    runtime: Arc<tokio::runtime::Runtime>,
    stream: SendableRecordBatchStream,
    model: SchemaRef,
    columns: Vec<usize>,
    row: u64,
    bytes: usize,
    cancel: CancelFlag,
}

impl Lane for QueryLane {
    fn estimate(&self) -> usize {
        self.bytes
    }

    fn next(&mut self) -> Result<Option<Raw>> {
        let next = async {
            loop {
                match tokio::time::timeout(TICK, self.stream.next()).await {
                    Ok(next) => return next.transpose().map_err(failed),
                    Err(_) if self.cancel.is_cancelled() => {
                        return Err(Error::new(Kind::Cancelled, "CANCELLED", "the run was cancelled; nothing was written"));
                    }
                    Err(_) => {}
                }
            }
        };
        let Some(batch) = self.runtime.block_on(next)? else { return Ok(None) };
        let first_row = self.row;
        self.row += batch.num_rows() as u64;
        let model = rename(&batch, &self.model, &self.columns)?;
        Ok(Some(Raw::Batch { model, carried: Some(batch), first_row }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_advises_the_flag() {
        let inner = DataFusionError::ResourcesExhausted("consider 'datafusion.runtime.memory_limit'".into());
        let error = failed(DataFusionError::Context("sort".into(), Box::new(inner)));
        assert_eq!((error.kind(), error.remedy_text()), (Kind::ResourceExhausted, Some("raise --memory-limit")));
        assert!(!error.to_string().contains("datafusion"), "{error}");
    }
}
