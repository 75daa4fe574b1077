//! What a reader gives: parts that can be read side by side, each a lane of raw pieces in order, and their decoding into rows.

use std::path::PathBuf;

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};

use super::budget::Budget;
use crate::error::{Error, Result};

/// A piece of a part as it leaves its lane: cheap to make, because one thread at a time makes it.
#[derive(Clone)]
pub(super) enum Raw {
    /// Decoded columns: those the model reads, and those carried to the output beside the prediction.
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

/// Decoded rows.
pub(super) struct Rows {
    /// The columns the model reads, under the model's names.
    pub(super) model: RecordBatch,
    /// Columns carried to the output as values.
    pub(super) columns: Option<RecordBatch>,
    /// The records' own text, and where each record lies in it.
    pub(super) text: Option<(Block, Vec<(u32, u32)>)>,
    /// Number of the first row in its file, where the reader knows it.
    pub(super) first_row: u64,
}

impl Rows {
    /// Says of an error where in the input it happened.
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

/// One part being read, from its first row to its last.
pub(super) trait Lane: Send {
    /// Bytes the next piece will probably hold.
    fn estimate(&self) -> usize;

    /// The next piece.
    fn next(&mut self) -> Result<Option<Raw>>;
}

/// An output file: its name below the output directory and the parts it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutputFile {
    pub(super) relative: PathBuf,
    pub(super) parts: std::ops::Range<usize>,
}

/// The rows of a job.
pub(super) trait Source: Send + Sync {
    /// How many parts there are; their order is the order of the rows.
    fn parts(&self) -> usize;

    /// The input file of a part, for messages.
    fn file(&self, part: usize) -> String;

    /// Starts reading a part.
    fn open(&self, part: usize, budget: &Budget) -> Result<Box<dyn Lane>>;

    /// Turns a piece into rows; runs on the thread that scores.
    fn decode(&self, part: usize, raw: Raw) -> Result<Rows>;

    /// The columns that [`Rows::model`] has.
    fn model_schema(&self) -> &SchemaRef;

    /// Rows in all, where that is known without reading.
    fn total_rows(&self) -> Option<u64>;

    /// Bytes of input in all.
    fn total_bytes(&self) -> u64;
}

/// Picks columns by index and gives them the model's names.
pub(super) fn rename(batch: &RecordBatch, schema: &SchemaRef, columns: &[usize]) -> Result<RecordBatch> {
    let arrays = columns.iter().map(|index| batch.column(*index).clone()).collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?)
}

/// Column names of a schema, in order.
pub(super) fn names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}
