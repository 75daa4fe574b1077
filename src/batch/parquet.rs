//! Parquet files as a source of rows: a part is a row group, read without the columns nobody needs.

use std::{fs::File, path::PathBuf, sync::Arc};

use arrow::datatypes::{DataType, SchemaRef};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::metadata::{PageIndexPolicy, RowGroupMetaData},
};

use super::{
    budget::Budget,
    inputs::InputFile,
    select::{Selection, Subject, list},
    source::{Lane, OutputFile, Raw, Rows, Source, names, rename},
};
use crate::error::{Error, Kind, Result};

/// An open Parquet file.
pub(super) struct ParquetFile {
    pub(super) path: PathBuf,
    pub(super) metadata: ArrowReaderMetadata,
    selection: Selection,
    /// Number of the first row of each row group.
    starts: Vec<u64>,
}

/// Parquet files that are read with one model's columns.
pub(super) struct ParquetSource {
    pub(super) files: Vec<Arc<ParquetFile>>,
    /// File and row group of each part.
    parts: Vec<(usize, usize)>,
    model: SchemaRef,
    carry: bool,
}

impl ParquetSource {
    /// Reads the files' footers and picks the model's columns in each.
    pub(super) fn plan(inputs: &[InputFile], subject: &Subject, columns: Option<&[String]>, reserved: &[String]) -> Result<Self> {
        let mut files: Vec<Arc<ParquetFile>> = Vec::with_capacity(inputs.len());
        let mut model: Option<SchemaRef> = None;
        let mut parts = Vec::new();
        for input in inputs {
            let path = &input.path;
            let metadata = open_metadata(path)?;
            let input = names(metadata.schema());
            if let Some(name) = reserved.iter().find(|name| input.contains(name)) {
                return Err(super::json::taken(name).context(path.display()));
            }
            let selection = subject.select(&input, columns).map_err(|error| error.context(path.display()))?;
            let schema = selection.schema(metadata.schema());
            match &model {
                None => model = Some(schema),
                Some(first) if types_agree(first, &schema) => {}
                Some(first) => return Err(schemas_differ(&files[0].path, first, path, &schema)),
            }
            let mut starts = Vec::new();
            let mut row = 0;
            for (group, metadata) in metadata.metadata().row_groups().iter().enumerate() {
                starts.push(row);
                row += metadata.num_rows() as u64;
                parts.push((files.len(), group));
            }
            files.push(Arc::new(ParquetFile { path: path.clone(), metadata, selection, starts }));
        }
        let model = model.ok_or_else(|| Error::new(Kind::InvalidArgument, "NO_INPUT", "no --input was given"))?;
        Ok(Self { files, parts, model, carry: false })
    }

    /// Whether all columns are decoded, to be written again in another form.
    pub(super) fn carrying(mut self, carry: bool) -> Self {
        self.carry = carry;
        self
    }

    /// The parts of each file, as output files of these names.
    pub(super) fn outputs(&self, relative: &[PathBuf]) -> Vec<OutputFile> {
        let mut start = 0;
        let mut outputs = Vec::with_capacity(relative.len());
        for (file, relative) in self.files.iter().zip(relative) {
            let end = start + file.starts.len();
            outputs.push(OutputFile { relative: relative.clone(), parts: start..end });
            start = end;
        }
        outputs
    }

    /// Whether every file has the same columns, in Parquet's own terms.
    pub(super) fn alike(&self) -> bool {
        let root = |file: &ParquetFile| file.metadata.parquet_schema().root_schema().get_fields().to_vec();
        self.files.windows(2).all(|pair| root(&pair[0]) == root(&pair[1]))
    }

    /// Refuses files whose columns cannot be written to one file.
    pub(super) fn same_columns(&self) -> Result<()> {
        let first = &self.files[0];
        match self.files.iter().find(|file| !types_agree(first.metadata.schema(), file.metadata.schema())) {
            Some(other) => Err(schemas_differ(&first.path, first.metadata.schema(), &other.path, other.metadata.schema())),
            None => Ok(()),
        }
    }

    /// File and row group of a part.
    pub(super) fn group(&self, part: usize) -> (&Arc<ParquetFile>, usize) {
        let (file, group) = self.parts[part];
        (&self.files[file], group)
    }

    /// The schema of all columns of one file.
    pub(super) fn carried(&self, file: usize) -> &SchemaRef {
        self.files[file].metadata.schema()
    }
}

impl Source for ParquetSource {
    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn file(&self, part: usize) -> String {
        self.group(part).0.path.display().to_string()
    }

    fn open(&self, part: usize, budget: &Budget) -> Result<Box<dyn Lane>> {
        let (file, group) = self.group(part);
        let input = File::open(&file.path).map_err(|error| Error::io(&file.path, error))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, file.metadata.clone());
        let roots = if self.carry { (0..file.metadata.schema().fields().len()).collect() } else { file.selection.indices() };
        let row_bytes = row_bytes(file, group, &roots);
        let rows = budget.rows(row_bytes);
        let mask = ProjectionMask::roots(file.metadata.parquet_schema(), roots.iter().copied());
        let reader = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(rows).build();
        let reader = reader.map_err(|error| unreadable(&file.path, error))?;
        // The reader gives columns in the file's order, each once.
        let mut order = roots;
        order.sort_unstable();
        order.dedup();
        let place = |index: &usize| order.binary_search(index).unwrap_or_default();
        let columns = file.selection.indices().iter().map(place).collect();
        let (row, carry) = (file.starts[group], self.carry);
        Ok(Box::new(GroupLane {
            file: file.clone(),
            reader,
            columns,
            model: self.model.clone(),
            carry,
            row,
            bytes: rows * row_bytes,
        }))
    }

    fn decode(&self, _part: usize, raw: Raw) -> Result<Rows> {
        let Raw::Batch { model, carried, first_row } = raw else {
            return Err(Error::new(Kind::Internal, "RAW_KIND", "a Parquet file gave text"));
        };
        Ok(Rows { model, columns: carried, text: None, first_row })
    }

    fn model_schema(&self) -> &SchemaRef {
        &self.model
    }

    fn total_rows(&self) -> Option<u64> {
        Some(self.files.iter().map(|file| file.metadata.metadata().file_metadata().num_rows().max(0) as u64).sum())
    }

    fn total_bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| file.path.metadata().ok()).map(|metadata| metadata.len()).sum()
    }
}

struct GroupLane {
    file: Arc<ParquetFile>,
    reader: ParquetRecordBatchReader,
    columns: Vec<usize>,
    model: SchemaRef,
    carry: bool,
    row: u64,
    bytes: usize,
}

impl Lane for GroupLane {
    fn estimate(&self) -> usize {
        self.bytes
    }

    fn next(&mut self) -> Result<Option<Raw>> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let batch = batch.map_err(|error| unreadable(&self.file.path, error.into()))?;
        let first_row = self.row;
        self.row += batch.num_rows() as u64;
        let model = rename(&batch, &self.model, &self.columns)?;
        Ok(Some(Raw::Batch { model, carried: self.carry.then_some(batch), first_row }))
    }
}

/// Reads a file's footer.
pub(super) fn open_metadata(path: &std::path::Path) -> Result<ArrowReaderMetadata> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    ArrowReaderMetadata::load(&file, options).map_err(|error| unreadable(path, error))
}

/// The error of a file that Parquet's reader refuses.
pub(super) fn unreadable(path: &std::path::Path, error: ParquetError) -> Error {
    Error::new(Kind::InvalidArgument, "UNREADABLE_PARQUET", format!("{}: cannot be read as Parquet: {error}", path.display()))
        .source(error)
}

/// Bytes of one decoded row, of the columns with these roots. A dictionary's values are counted once by the file, but once a
/// row in memory.
fn row_bytes(file: &ParquetFile, group: usize, roots: &[usize]) -> usize {
    let metadata: &RowGroupMetaData = file.metadata.metadata().row_group(group);
    let rows = metadata.num_rows().max(1) as usize;
    let schema = file.metadata.parquet_schema();
    let mut total = 0;
    for (leaf, column) in metadata.columns().iter().enumerate() {
        if !roots.contains(&schema.get_column_root_idx(leaf)) {
            continue;
        }
        let values = column.num_values().max(0) as usize;
        total += match column.column_type() {
            parquet::basic::Type::BOOLEAN => values.div_ceil(8),
            parquet::basic::Type::INT32 | parquet::basic::Type::FLOAT => values * 4,
            parquet::basic::Type::INT64 | parquet::basic::Type::DOUBLE => values * 8,
            parquet::basic::Type::INT96 => values * 12,
            parquet::basic::Type::FIXED_LEN_BYTE_ARRAY => values * (column.column_descr().type_length().max(0) as usize),
            parquet::basic::Type::BYTE_ARRAY => {
                let known = column.unencoded_byte_array_data_bytes().map(|bytes| bytes.max(0) as usize);
                values * 4 + known.unwrap_or_else(|| (column.uncompressed_size().max(0) as usize).max(values * 60))
            }
        } + values / 8;
    }
    total.div_ceil(rows).max(1)
}

fn types_agree(first: &SchemaRef, other: &SchemaRef) -> bool {
    let shape = |schema: &SchemaRef| -> Vec<(String, DataType)> {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    shape(first) == shape(other)
}

fn schemas_differ(first: &std::path::Path, schema: &SchemaRef, other: &std::path::Path, found: &SchemaRef) -> Error {
    let mut odd =
        schema.fields().iter().zip(found.fields()).filter(|(a, b)| a.name() == b.name() && a.data_type() != b.data_type());
    let message = format!("{} and {} have different columns", first.display(), other.display());
    let error = Error::new(Kind::InvalidArgument, "SCHEMAS_DIFFER", message);
    match odd.next() {
        Some((a, b)) => error.column(a.name()).expected(a.data_type()).found(b.data_type()),
        None => error.expected(list(&names(schema))).found(list(&names(found))),
    }
    .remedy("write them to a directory, or score them in runs of their own")
}
