//! `--sql`: a DataFusion query over the table `input`, in which `predict(...)` is a function.

mod errors;
mod predict;
mod source;
mod statement;
mod table;
mod trial;

use std::sync::{Arc, Mutex};

use arrow::datatypes::Schema;
use datafusion::{
    execution::runtime_env::RuntimeEnvBuilder,
    prelude::{SessionConfig, SessionContext},
};
use errors::failed;
use predict::Trial;
use source::QuerySource;
use statement::{arguments, fill_arguments, parse, refuse_misplaced, short};

use super::{
    budget::Budget,
    job::Job,
    read::{
        Input, Kept, column_names,
        files::InputFiles,
        name_taken,
        options::{Purpose, ReadOptions},
    },
};
use crate::{
    error::{Error, Kind, Result},
    score::{CancelFlag, Scorer},
};

/// A planned query.
pub(super) struct Query {
    pub(super) input: Input,
    /// Whether the query calls `predict` itself.
    pub(super) predicts: bool,
}

/// Plans the job's query. `reserved` are names that the output adds where the query does not predict itself.
pub(super) fn plan(
    job: &Job,
    sql: &str,
    inputs: &InputFiles,
    reserved: &[String],
    budget: &Budget,
    cancel: &CancelFlag,
) -> Result<Query> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(budget.workers)
        .thread_name("query")
        .enable_all()
        .build()
        .map_err(|error| Error::new(Kind::ResourceExhausted, "THREADS", "no thread could be started").source(error))?;
    let subject = &job.subject;
    let context = context(budget)?;
    let expected = subject.expected();
    let function = |scorer: &Scorer, trial: Option<Trial>| {
        predict::function(scorer.clone(), expected.clone(), budget.workers, cancel.clone(), trial)
    };
    context.register_udf(function(&subject.scorer, None));
    let options = ReadOptions {
        subject,
        columns: None,
        purpose: Purpose::Table,
        reserved: &[],
        by_file: false,
        delimiter: job.delimiter,
        cancel,
    };
    let table = runtime.block_on(table::register(&context, inputs, &options, budget))?;
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
        let told = runtime.block_on(trial::learn(&context, &statement, &|trial| function(&subject.scorer, Some(trial))));
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
        let output = column_names(&schema);
        if let Some(name) = reserved.iter().find(|name| output.contains(name)) {
            return Err(name_taken(name).context("the query's result"));
        }
        let selection = subject.select(&output, job.columns.as_deref())?;
        (selection.schema(&schema), selection.indices())
    };
    let row_bytes = schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(32)).sum();
    let source = QuerySource {
        runtime: Arc::new(runtime),
        stream: Mutex::new(Some(stream)),
        model,
        columns,
        row_bytes,
        cancel: cancel.clone(),
    };
    let input = Input {
        parts: std::iter::once(0..1).collect(),
        source: Arc::new(source),
        names: vec![column_names(&schema)],
        kept: Kept::Values(schema),
        extra: Arc::new(Schema::empty()),
    };
    Ok(Query { input, predicts: calls })
}

fn context(budget: &Budget) -> Result<SessionContext> {
    // One partition keeps the rows in the order of the input. Scoring, which costs most, still runs on all cores.
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(budget.rows(256).max(1024));
    let options = config.options_mut();
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    // Memory that a sort reserves to merge what it spilled. The default is more than all of a small limit.
    let reservation = &mut options.execution.sort_spill_reservation_bytes;
    *reservation = (*reservation).min(budget.query / 8);
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(budget.query, 1.0).build_arc().map_err(failed)?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}
