//! CSV and JSON lines as a source of rows: each file is a part, read in blocks of whole records.

mod blocks;
mod csv;
mod headers;
mod infer;
mod json;
mod plan;
mod records;

use std::{path::PathBuf, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    datatypes::{DataType, SchemaRef},
};

use blocks::{BlockReader, Records};

use super::{
    Input, Kept, PartReader, Raw, Rows, Source,
    options::Purpose,
    partitions::{self, Partitions},
    table::Places,
};
use crate::{
    batch::{Format, budget::Budget, compression::Compression},
    error::{Error, Kind, Result},
};

/// A text file: where its records start, and which columns they have.
struct TextFile {
    path: PathBuf,
    /// Where the first record starts: byte and line.
    start: (u64, u64),
    /// Size of the file.
    bytes: u64,
    /// Names of the file's columns.
    names: Arc<Vec<String>>,
    /// The type of each column, `None` where nobody reads it.
    kinds: Arc<Vec<Option<DataType>>>,
    /// Where each column of the table is among the file's.
    places: Places,
}

/// CSV or JSON files that make up one table.
pub(super) struct TextSource {
    format: Format,
    delimiter: u8,
    purpose: Purpose,
    by_file: bool,
    files: Vec<TextFile>,
    /// Columns of the table, then those that the directories give.
    table: SchemaRef,
    /// Names of the table's columns.
    names: Vec<String>,
    partitions: Partitions,
    /// The columns that the model reads, under its names, and where each is in `table`.
    model: SchemaRef,
    model_columns: Vec<usize>,
    /// The table's columns, where they are decoded for the output.
    carried: Option<SchemaRef>,
    /// Partition columns that the output has beside the records.
    extra: Vec<usize>,
    /// Whether the text of records is written with the cells in the table's order, because files differ in theirs.
    reorder: bool,
    /// Keys that no JSON object may have, because the output adds columns of these names.
    reserved: Vec<String>,
}

impl TextSource {
    /// What a job does with these files.
    pub(super) fn into_input(self) -> Input {
        let kept = match (&self.carried, self.purpose) {
            (Some(carried), _) => Kept::Values(carried.clone()),
            (None, Purpose::Output(_)) => Kept::Text,
            (None, _) => Kept::Nothing,
        };
        // Records whose text is kept have the columns of their own file.
        let names = match kept {
            Kept::Text if self.by_file => self.files.iter().map(|file| file.names.to_vec()).collect(),
            _ => vec![self.names.clone()],
        };
        let parts = (0..self.files.len()).map(|part| part..part + 1).collect();
        Input { parts, kept, extra: self.partitions.picked(&self.extra), names, source: Arc::new(self) }
    }
}

impl Source for TextSource {
    fn parts(&self) -> usize {
        self.files.len()
    }

    fn file(&self, part: usize) -> String {
        self.files[part].path.display().to_string()
    }

    fn open(&self, part: usize, budget: &Budget) -> Result<Box<dyn PartReader>> {
        let file = &self.files[part];
        let records = if self.format == Format::Csv { Records::Csv(self.delimiter) } else { Records::Lines };
        let (offset, line) = file.start;
        Ok(Box::new(BlockReader::open(&file.path, records, offset, line, budget.block)?))
    }

    fn decode(&self, part: usize, raw: Raw) -> Result<Rows> {
        let Raw::Text(block) = raw else {
            return Err(Error::new(Kind::Internal, "RAW_KIND", "a text file gave a batch"));
        };
        let own = &self.files[part];
        let file = self.file(part);
        let parsed = match self.format {
            Format::Csv => csv::parse(&file, &block, &own.names, &own.kinds, self.delimiter)?,
            _ => json::parse(&file, &block, &own.names, &own.kinds, &self.reserved)?,
        };
        let count = parsed.records.len();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let column = |index: usize| -> Result<ArrayRef> {
            let Some(place) = own.places.get(index) else {
                return partitions::repeat(&self.partitions.value(part, index - own.places.len()), count);
            };
            let Some(place) = place else { return Ok(new_null_array(self.table.field(index).data_type(), count)) };
            parsed.columns[*place].clone().ok_or_else(|| {
                Error::new(Kind::Internal, "COLUMN_NOT_READ", "a column the model reads was not parsed")
                    .column(&self.names[index])
            })
        };
        let arrays = self.model_columns.iter().map(|index| column(*index)).collect::<Result<_>>()?;
        let model = RecordBatch::try_new_with_options(self.model.clone(), arrays, &options)?;
        let columns = match &self.carried {
            None => None,
            Some(schema) => {
                let arrays = (0..self.names.len()).map(column).collect::<Result<_>>()?;
                Some(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?)
            }
        };
        let extra = self.partitions.batch(part, &self.extra, count)?;
        let reordered = self.reorder.then(|| csv::reorder(&block, &parsed.records, &own.places, self.delimiter));
        Ok(Rows { model, columns, extra, text: Some((block, parsed.records)), reordered, first_row: 0 })
    }

    fn model_schema(&self) -> &SchemaRef {
        &self.model
    }

    fn total_rows(&self) -> Option<u64> {
        None
    }

    fn total_bytes(&self) -> u64 {
        // Of what is compressed nobody knows how much it is.
        let compressed = |file: &TextFile| Compression::split(&file.path).0.is_some();
        if self.files.iter().any(compressed) { 0 } else { self.files.iter().map(|file| file.bytes).sum() }
    }
}
