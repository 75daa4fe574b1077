//! What a reader gives: parts that can be read side by side, each a lane of raw pieces in order, and their decoding into rows.

use std::path::{Path, PathBuf};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};

use super::{
    budget::Budget,
    hive::{self, Key, Partitions},
    inputs::InputFile,
    select::{Selection, Subject},
    tables::Table,
};
use crate::{
    error::{Error, Result},
    score::CancelFlag,
};

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

/// Where each record lies in a text: its first byte and the one after its last.
pub(super) type Spans = Vec<(u32, u32)>;

/// Decoded rows.
pub(super) struct Rows {
    /// The columns the model reads, under the model's names.
    pub(super) model: RecordBatch,
    /// Columns carried to the output as values.
    pub(super) columns: Option<RecordBatch>,
    /// Columns of the files' directories that are written beside the rest.
    pub(super) extra: Option<RecordBatch>,
    /// The records' own text, and where each record lies in it.
    pub(super) text: Option<(Block, Spans)>,
    /// The text to write instead, where its cells go in another order.
    pub(super) reordered: Option<(Vec<u8>, Spans)>,
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

/// What is asked of files of any format.
pub(super) struct Wants<'a> {
    /// Picks and types the model's columns.
    pub(super) subject: &'a Subject,
    /// `--columns`.
    pub(super) columns: Option<&'a [String]>,
    /// Whether all columns are wanted as values.
    pub(super) carry: bool,
    /// Names the output will add.
    pub(super) reserved: &'a [String],
    /// Whether the files are a table of SQL, of which any column may be missing in any file.
    pub(super) table: bool,
    /// Whether each file has an output of its own, in a directory of the same name.
    pub(super) by_file: bool,
    /// What separates the cells of CSV, where the user says it.
    pub(super) delimiter: Option<u8>,
    /// Ends a long look at the files.
    pub(super) cancel: &'a CancelFlag,
}

impl Wants<'_> {
    /// The model's columns among those of a table. A table of SQL is not asked for all of them.
    pub(super) fn select(&self, names: &[String]) -> Result<Selection> {
        self.subject.select(names, self.columns)
    }

    /// The columns that the model names, or `--columns`.
    pub(super) fn asked(&self) -> Vec<String> {
        let mut all = self.subject.expected().map(|schema| names(&schema)).unwrap_or_default();
        all.extend(self.columns.into_iter().flatten().cloned());
        all
    }

    /// The model's column names, when a JSON object need not be asked for others.
    pub(super) fn feeds(&self, declared: Option<&SchemaRef>) -> Option<Vec<String>> {
        declared?;
        let expected = self.subject.expected()?;
        Some(match self.columns {
            Some(columns) => columns.to_vec(),
            None => names(&expected),
        })
    }

    /// Refuses files that lack a column which the model must have, and others do not. `feeds` are the model's names for each column.
    pub(super) fn everywhere(&self, table: &Table, partitions: &Partitions, files: &[&Path], feeds: &[Vec<&str>]) -> Result<()> {
        if self.table {
            return Ok(());
        }
        let optional = self.subject.optional();
        let width = table.names.len();
        for (at, names) in feeds.iter().enumerate() {
            if names.iter().all(|name| optional.contains(name)) {
                continue;
            }
            if at < width {
                table.everywhere(at, files)?;
            } else {
                partitions.everywhere(at - width, files)?;
            }
        }
        Ok(())
    }

    /// The partition columns to write: those that the output's own directories do not tell.
    pub(super) fn extra(&self, files: &[InputFile], partitions: &Partitions) -> Vec<usize> {
        let told = |column: &usize| {
            let name = partitions.schema.field(*column).name();
            let named = |keys: &[Key]| keys.iter().any(|key| key.name == *name);
            let by_output = |file: &InputFile| hive::keys(&file.relative, usize::MAX).is_ok_and(|keys| named(&keys));
            self.by_file && files.iter().all(|file| !named(&file.keys) || by_output(file))
        };
        (0..partitions.len()).filter(|column| !told(column)).collect()
    }
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
