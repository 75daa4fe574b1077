//! Reading: from the files of `--input` to rows of typed columns.
//!
//! Planning looks at every file before a row is scored (headers, footers, the types of columns that nothing declares) and gives an
//! [`Input`]. Its [`Source`] consists of parts, such as row groups or text files, which threads read side by side. One thread at a time
//! takes raw pieces out of a part through its [`PartReader`]; the thread that scores a piece decodes it ([`Source::decode`]).

pub(super) mod files;
pub(super) mod options;
pub(super) mod parquet;
mod partitions;
mod table;
pub(super) mod text;
mod unify;
mod values;

use std::{ops::Range, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use files::InputFiles;
use options::ReadOptions;
use parquet::ParquetSource;
use text::TextSource;

use super::{Format, budget::Budget};
use crate::error::{Error, Kind, Result};

/// What is known of the rows of a job before the first of them is read.
pub(super) struct Input {
    /// Gives the rows.
    pub(super) source: Arc<dyn Source>,
    /// The parts that each input file consists of.
    pub(super) parts: Vec<Range<usize>>,
    /// How the input's columns reach the output.
    pub(super) kept: Kept,
    /// The partition columns of the output.
    pub(super) extra: SchemaRef,
    /// The names of the input's columns in the header of a CSV output: of each output file, or once for all of them.
    pub(super) names: Vec<Vec<String>>,
}

/// How the input's columns reach the output.
pub(super) enum Kept {
    /// Only predictions are written.
    Nothing,
    /// As the text of their records, which is repeated byte by byte.
    Text,
    /// As values, which are encoded anew.
    Values(SchemaRef),
    /// As the column chunks of Parquet files, which are copied without decoding them.
    Chunks(Arc<ParquetSource>),
}

/// Plans to read files.
pub(super) fn plan(files: &InputFiles, options: &ReadOptions<'_>) -> Result<Input> {
    Ok(match files.format {
        Format::Parquet => ParquetSource::plan(&files.files, options)?.into_input(),
        Format::Csv | Format::Json => TextSource::plan(files, options)?.into_input(),
    })
}

/// The rows of a job.
pub(super) trait Source: Send + Sync {
    /// How many parts there are; their order is the order of the rows.
    fn parts(&self) -> usize;

    /// The input file of a part, for messages.
    fn file(&self, part: usize) -> String;

    /// Starts reading a part.
    fn open(&self, part: usize, budget: &Budget) -> Result<Box<dyn PartReader>>;

    /// Turns a piece into rows; runs on the thread that scores.
    fn decode(&self, part: usize, raw: Raw) -> Result<Rows>;

    /// The columns that [`Rows::model`] has.
    fn model_schema(&self) -> &SchemaRef;

    /// Rows in all, where that is known without reading.
    fn total_rows(&self) -> Option<u64>;

    /// Bytes of input in all; 0 where nobody knows.
    fn total_bytes(&self) -> u64;
}

/// Reads one part from its first row to its last.
pub(super) trait PartReader: Send {
    /// Bytes the next piece will probably hold.
    fn estimate(&self) -> usize;

    /// The next piece.
    fn next(&mut self) -> Result<Option<Raw>>;
}

/// A piece of a part as its reader gives it: cheap to make, because one thread at a time makes it.
#[derive(Clone)]
pub(super) enum Raw {
    /// Decoded columns: those that the model reads, and those that the output needs.
    Batch { model: RecordBatch, carried: Option<RecordBatch>, first_row: u64 },
    /// Whole records of a text file, not parsed yet.
    Text(Block),
}

impl Raw {
    /// Bytes of memory this piece holds.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Batch { model, carried, .. } => {
                model.get_array_memory_size().max(carried.as_ref().map_or(0, RecordBatch::get_array_memory_size))
            }
            Self::Text(block) => block.bytes.capacity(),
        }
    }
}

/// Whole records of a text file.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// Line of the file that the block starts with, counted from 1.
    pub(super) first_line: u64,
    /// How many lines end in it.
    pub(super) lines: usize,
}

impl Block {
    /// Line of the file that the byte at `at` is on.
    pub(super) fn line(&self, at: usize) -> u64 {
        let before = self.bytes.get(..at).unwrap_or(&self.bytes);
        self.first_line + before.iter().filter(|byte| **byte == b'\n').count() as u64
    }
}

/// Where each record lies in a text: its first byte and the one after its last.
pub(super) type Spans = Vec<(u32, u32)>;

/// Decoded rows.
pub(super) struct Rows {
    /// The columns that the model reads, under its names.
    pub(super) model: RecordBatch,
    /// The input's columns, where the output needs their values.
    pub(super) columns: Option<RecordBatch>,
    /// The partition columns of the output.
    pub(super) extra: Option<RecordBatch>,
    /// The records' own text, and where each record lies in it.
    pub(super) text: Option<(Block, Spans)>,
    /// The text to write instead, where the output has the cells in another order.
    pub(super) reordered: Option<(Vec<u8>, Spans)>,
    /// Number of the first row in its file; 0 where only lines are known.
    pub(super) first_row: u64,
}

impl Rows {
    /// Adds to an error where in the input it happened.
    pub(super) fn locate(&self, file: &str, error: Error) -> Error {
        let Some(row) = error.row_number() else { return error.context(file) };
        match &self.text {
            Some((block, records)) => match records.get(row as usize) {
                Some((start, _)) => error.context(format_args!("{file}, line {}", block.line(*start as usize))),
                None => error.context(file),
            },
            None => error.row(self.first_row + row).context(file),
        }
    }
}

/// Column names of a schema, in order.
pub(super) fn column_names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// The error of an input column that has the name of the prediction.
pub(super) fn name_taken(name: &str) -> Error {
    Error::new(Kind::InvalidArgument, "COLUMN_EXISTS", "the input has a column of the prediction's name")
        .column(name)
        .remedy("name another with --prediction-column")
}
