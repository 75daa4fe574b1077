//! Batch scoring: files in, files out, in the order of their rows and within a memory limit.
//!
//! A [`Source`](source::Source) gives parts (row groups, files, a query) that are read side by side; the
//! [pipeline](pipeline::Pipeline) scores them on every core and hands them in order to a [sink](sink::Sink); a
//! [stage](stage::Stage) gives the output its name once all is written.

mod blocks;
mod budget;
mod cells;
mod csv;
mod decimal;
mod direct;
mod encode;
mod fields;
mod hive;
mod infer;
mod inputs;
mod json;
mod learn;
mod numbers;
mod parquet;
mod pipeline;
#[cfg(feature = "sql")]
mod predict;
mod progress;
mod run;
mod scan;
mod select;
mod sink;
mod source;
mod spill;
mod splice;
#[cfg(feature = "sql")]
mod sql;
mod stage;
#[cfg(feature = "sql")]
mod table;
mod tables;
mod text;
mod unify;
#[cfg(target_arch = "x86_64")]
mod vector;

use std::{
    fmt,
    path::{Path, PathBuf},
};

pub use budget::parse_size;
pub use progress::{Bar, Progress, Quiet};
pub use run::{Summary, run};
pub use select::Subject;
pub use stage::abandon;

/// A file format that rows are read from and written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header.
    Csv,
    /// JSON lines: one object a line.
    Json,
}

impl Format {
    /// The format a file's name tells.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "parquet" | "parq" | "pq" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            _ => None,
        }
    }

    /// The extension of files of this format.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet => "Parquet",
            Self::Csv => "CSV",
            Self::Json => "JSON",
        })
    }
}

/// Parses what separates the cells of CSV: one character, or `tab`.
pub fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'"' | b'\n' | b'\r' | b'.' | b'-') => {
            Ok(*byte)
        }
        _ => Err("give one character such as ';' or '|', or tab".into()),
    }
}

/// Where the scored rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// One file when the name has a format's extension, otherwise a directory with one file per input file.
    Path(PathBuf),
    /// CSV on standard output.
    Stdout,
}

/// What to score and where the rows go.
#[derive(Clone)]
pub struct Job {
    /// The model.
    pub subject: Subject,
    /// Files, directories and globs.
    pub input: Vec<String>,
    /// The output.
    pub output: Output,
    /// Format of files whose names do not tell, and of an output directory.
    pub format: Option<Format>,
    /// What separates the cells of CSV, read and written. `None`: a comma, and a header that says otherwise is refused.
    pub delimiter: Option<u8>,
    /// Whether directories named `column=value` are columns.
    pub partition_columns: bool,
    /// Name of the prediction column.
    pub prediction: String,
    /// Input columns that feed the model, in the order of its signature.
    pub columns: Option<Vec<String>>,
    /// A query over the table `input`, instead of its rows as they are.
    pub sql: Option<String>,
    /// Bound on the memory of the process, in bytes.
    pub memory_limit: Option<usize>,
    /// Whether an existing output is replaced.
    pub overwrite: bool,
    /// Threads that score; `None`: one a core.
    pub workers: Option<usize>,
    /// Whether the input's columns are kept beside the predictions.
    pub keep: bool,
}

impl Job {
    /// A job with the command line's defaults.
    pub fn new(subject: Subject, input: Vec<String>, output: Output) -> Self {
        Self {
            subject,
            input,
            output,
            format: None,
            delimiter: None,
            partition_columns: true,
            prediction: crate::score::PREDICTION.to_owned(),
            columns: None,
            sql: None,
            memory_limit: None,
            overwrite: false,
            workers: None,
            keep: true,
        }
    }
}
