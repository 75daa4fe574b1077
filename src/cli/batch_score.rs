//! `mlflight batch-score`: files in, files with predictions out.

use std::path::PathBuf;

use super::{batch_threads, interrupt, limits, model_args::ModelArgs, values::named};
use crate::{
    batch::{self, Bar, Format, Job, Output},
    error::Result,
    flavors::Engine,
};

/// Scores Parquet, CSV or JSON lines files and writes their rows with a prediction column.
///
/// Rows keep their order: files by name, then row. Nothing is left behind when a run fails.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Files, directories (hidden files are skipped) and globs; may be repeated
    #[arg(short, long, num_args = 1.., required = true, value_name = "PATH")]
    input: Vec<String>,

    /// One file when the name ends in .parquet, .csv or .json; otherwise a directory with one file per input file
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,

    /// Name of the column that is added
    #[arg(long, default_value = "prediction", value_name = "NAME")]
    prediction_column: String,

    /// Input columns that feed the model, in the order of its signature [default: by name]
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    columns: Option<Vec<String>>,

    /// Format of files whose names do not tell, and of an output directory
    #[arg(long, value_parser = named::<Format>(Format::ALL.map(Format::extension)))]
    format: Option<Format>,

    /// What separates the cells of CSV files, read and written: a character, or tab [default: ,]
    #[arg(long, value_name = "CHAR", value_parser = batch::parse_delimiter)]
    delimiter: Option<u8>,

    /// Do not read directories named column=value as columns
    #[arg(long)]
    no_partition_columns: bool,

    /// A query over the table `input`, where predict(…) is a function; predictions are added to a query that does not call it
    #[arg(long, value_name = "SELECT …")]
    sql: Option<String>,

    /// Bound on this process's memory, such as 512M or 4G; Python workers come on top
    #[arg(long, value_name = "SIZE", value_parser = batch::parse_size)]
    memory_limit: Option<usize>,

    /// Replace an existing output, at once and only when the run succeeds
    #[arg(long)]
    overwrite: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<()> {
    limits::require(batch_threads())?;
    let cancel = interrupt::cancel_flag()?;
    let job = Job {
        format: args.format,
        delimiter: args.delimiter,
        partition_columns: !args.no_partition_columns,
        prediction: args.prediction_column,
        columns: args.columns,
        sql: args.sql,
        memory_limit: args.memory_limit,
        overwrite: args.overwrite,
        ..Job::new(args.model.load()?, args.input, Output::Path(args.output))
    };
    let summary = batch::run(&job, &cancel, &Bar::new())?;
    let seconds = summary.elapsed.as_secs_f64();
    let engine = if summary.engine == Engine::Native { "native" } else { "Python" };
    let rate = summary.rows as f64 / seconds.max(1e-9);
    super::note(&format!("scored {} rows in {seconds:.2} s ({rate:.0} rows/s), {engine}: {}", summary.rows, summary.reason));
    Ok(())
}
