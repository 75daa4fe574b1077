//! `mlflight predict`: CSV in, predictions as CSV out, as `mlflow models predict` does.

use std::{io, path::PathBuf};

use super::{batch_threads, interrupt, limits, model_args::ModelArgs};
use crate::{
    batch::{self, Format, Job, Output, Quiet},
    error::{Error, Kind, Result},
};

/// Scores a CSV file and writes the predictions as CSV, with a header and one column an output.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// CSV file with a header [default: standard input]
    #[arg(short, long = "input-path", alias = "input", value_name = "PATH")]
    input: Option<PathBuf>,

    /// What separates the cells, read and written: a character, or tab [default: ,]
    #[arg(long, value_name = "CHAR", value_parser = batch::parse_delimiter)]
    delimiter: Option<u8>,

    /// File to write; an existing one is replaced [default: standard output]
    #[arg(short, long = "output-path", alias = "output", value_name = "PATH")]
    output: Option<PathBuf>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<()> {
    limits::require(batch_threads())?;
    let cancel = interrupt::cancel_flag()?;
    let subject = args.model.load()?;
    // Types may have to be inferred before the first row is scored: standard input is read twice, so it is kept on disk.
    let mut kept = None;
    let input = match args.input {
        Some(path) if path.is_file() => path,
        Some(path) => {
            return Err(Error::new(Kind::NotFound, "NO_INPUT", format!("'{}' is no file", path.display())));
        }
        None => {
            let failed = |error: io::Error| Error::io("standard input".as_ref(), error);
            let mut file = tempfile::Builder::new().prefix("stdin-").suffix(".csv").tempfile().map_err(failed)?;
            io::copy(&mut io::stdin().lock(), &mut file).map_err(failed)?;
            kept.insert(file).path().to_owned()
        }
    };
    let output = args.output.map_or(Output::Stdout, Output::Path);
    let job = Job {
        format: Some(Format::Csv),
        delimiter: args.delimiter,
        // The file was named: what its directories are called is nothing to its rows.
        partition_columns: false,
        overwrite: true,
        keep: false,
        ..Job::new(subject, vec![input.display().to_string()], output)
    };
    batch::run(&job, &cancel, &Quiet).map(|_| ())
}
