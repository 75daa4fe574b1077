//! What a caller asks for.

use std::path::PathBuf;

use super::{format::Format, subject::Subject};
use crate::score::PREDICTION;

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
            prediction: PREDICTION.to_owned(),
            columns: None,
            sql: None,
            memory_limit: None,
            overwrite: false,
            workers: None,
            keep: true,
        }
    }
}
