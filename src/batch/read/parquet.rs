//! Parquet files as a source of rows: each row group is a part, of which only the columns that are needed are read.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    datatypes::{DataType, Field, Fields, Schema, SchemaRef},
};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::metadata::{PageIndexPolicy, RowGroupMetaData},
};

use super::{
    Input, Kept, PartReader, Raw, Rows, Source, column_names,
    files::InputFile,
    name_taken,
    options::{Purpose, ReadOptions},
    partitions::{self, Partitions},
    table::{self, FileSchemas, Places, Table},
    unify,
};
use crate::{
    batch::{Format, budget::Budget},
    error::{Error, Kind, Result},
};

/// An open Parquet file.
pub(in crate::batch) struct ParquetFile {
    pub(in crate::batch) path: PathBuf,
    pub(in crate::batch) metadata: ArrowReaderMetadata,
    /// Number of the first row of each row group.
    starts: Vec<u64>,
}

/// Parquet files that are read with one model's columns.
pub(in crate::batch) struct ParquetSource {
    pub(in crate::batch) files: Vec<Arc<ParquetFile>>,
    /// File and row group of each part.
    parts: Vec<(usize, usize)>,
    table: Table,
    partitions: Partitions,
    /// The columns that the model reads, under its names.
    model: SchemaRef,
    /// Where each of them is: among the table's columns, which the partition columns follow.
    fed: Vec<usize>,
    /// All columns of the files, where they are decoded for the output.
    carried: Option<SchemaRef>,
    /// Partition columns that the output has beside the files' own.
    extra: Vec<usize>,
    /// Whether the output's columns are the files' column chunks, copied.
    copied: bool,
}

impl ParquetSource {
    /// Reads the files' footers and selects the model's columns in each.
    pub(in crate::batch) fn plan(inputs: &[InputFile], options: &ReadOptions<'_>) -> Result<Self> {
        let mut files: Vec<Arc<ParquetFile>> = Vec::with_capacity(inputs.len());
        let mut parts = Vec::new();
        for input in inputs {
            let path = &input.path;
            let metadata = open_metadata(path)?;
            let mut starts = Vec::new();
            let mut row = 0;
            for (group, metadata) in metadata.metadata().row_groups().iter().enumerate() {
                starts.push(row);
                row += metadata.num_rows() as u64;
                parts.push((files.len(), group));
            }
            files.push(Arc::new(ParquetFile { path: path.clone(), metadata, starts }));
        }
        if files.is_empty() {
            return Err(Error::new(Kind::InvalidArgument, "NO_INPUT", "no --input was given"));
        }
        let declared = options.subject.declared();
        let fields: Vec<&Fields> = files.iter().map(|file| file.metadata.schema().fields()).collect();
        let table = Table::of(&fields);
        let partitions = Partitions::of(inputs, &table, declared.as_ref(), &options.asked())?;
        let mut all = table.names.clone();
        all.extend(column_names(&partitions.schema));
        if let Some(name) = options.reserved.iter().find(|name| all.contains(name)) {
            return Err(name_taken(name).context(files[0].path.display()));
        }
        let selection = options.select(&all)?;
        let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let feeds = selection.names(all.len());
        options.require_in_every_file(&table, &partitions, &paths, &feeds)?;
        let known = table::by_name(declared.as_ref());
        let types = FileSchemas { paths: &paths, fields: &fields };
        let field = |(at, names): (usize, &Vec<&str>)| match at.checked_sub(table.names.len()) {
            Some(column) => Ok(partitions.schema.field(column).clone()),
            // Nobody reads this column: its types may conflict.
            None if names.is_empty() => Ok(Field::new(&all[at], DataType::Null, true)),
            None => table.field(at, &types, names.iter().find_map(|name| known.get(name)).copied()),
        };
        let fields: Vec<Field> = feeds.iter().enumerate().map(field).collect::<Result<_>>()?;
        let model = selection.schema(&Schema::new(fields));
        let (fed, extra) = (selection.indices(), options.extra(inputs, &partitions));
        let mut made = Self { files, parts, table, partitions, model, fed, carried: None, extra, copied: false };
        made.copied = options.purpose == Purpose::Output(Format::Parquet) && made.can_copy(options.by_file);
        if made.copied || options.purpose == Purpose::Predictions { Ok(made) } else { made.carrying(declared.as_ref()) }
    }

    /// Whether column chunks can be copied to the output: they must be in the files themselves, and all files must have the same columns where
    /// they become one file.
    fn can_copy(&self, by_file: bool) -> bool {
        let plain = |file: &Arc<ParquetFile>| {
            let groups = file.metadata.metadata().row_groups();
            let own = |group: &RowGroupMetaData| group.columns().iter().all(|column| column.file_path().is_none());
            file.metadata.parquet_schema().num_columns() > 0 && groups.iter().all(own)
        };
        self.files.iter().all(plain) && (by_file || self.alike())
    }

    /// Decodes all columns, each as one type for all files.
    fn carrying(mut self, declared: Option<&SchemaRef>) -> Result<Self> {
        let paths: Vec<&Path> = self.files.iter().map(|file| file.path.as_path()).collect();
        let fields: Vec<&Fields> = self.files.iter().map(|file| file.metadata.schema().fields()).collect();
        let (types, declared) = (FileSchemas { paths: &paths, fields: &fields }, table::by_name(declared));
        let field = |at: usize| self.table.field(at, &types, declared.get(self.table.names[at].as_str()).copied());
        let made: Vec<Field> = (0..self.table.names.len()).map(field).collect::<Result<_>>()?;
        let notes = self.files[0].metadata.schema().metadata().clone();
        self.carried = Some(Arc::new(Schema::new_with_metadata(made, notes)));
        Ok(self)
    }

    /// What a job does with these files.
    pub(in crate::batch) fn into_input(self) -> Input {
        let mut start = 0;
        let mut parts = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let end = start + file.starts.len();
            parts.push(start..end);
            start = end;
        }
        let source = Arc::new(self);
        let kept = match &source.carried {
            Some(carried) => Kept::Values(carried.clone()),
            None if source.copied => Kept::Chunks(source.clone()),
            None => Kept::Nothing,
        };
        let names = vec![source.carried.as_deref().map(column_names).unwrap_or_default()];
        Input { parts, kept, extra: source.partitions.picked(&source.extra), names, source }
    }

    /// Whether every file has the same Parquet schema.
    fn alike(&self) -> bool {
        let root = |file: &ParquetFile| file.metadata.parquet_schema().root_schema().get_fields().to_vec();
        self.files.windows(2).all(|pair| root(&pair[0]) == root(&pair[1]))
    }

    /// File and row group of a part.
    pub(in crate::batch) fn group(&self, part: usize) -> (&Arc<ParquetFile>, usize) {
        let (file, group) = self.parts[part];
        (&self.files[file], group)
    }

    /// Whether all files have one Arrow schema and no partition columns, so that DataFusion reads them as this source does.
    #[cfg(feature = "sql")]
    pub(in crate::batch) fn plain(&self) -> bool {
        let first = self.files[0].metadata.schema().fields();
        self.partitions.len() == 0 && self.files.iter().all(|file| file.metadata.schema().fields() == first)
    }

    /// Where the values of a column of the table, or of a partition column after those, come from in one file.
    fn origin(&self, file: usize, at: usize, place: &impl Fn(usize) -> usize, rows: usize) -> Result<Origin> {
        let places: &Places = &self.table.places[file];
        Ok(match places.get(at) {
            None => Origin::Key(partitions::repeat(&self.partitions.value(file, at - places.len()), rows)?),
            Some(None) => Origin::Missing,
            Some(Some(root)) => Origin::Column(place(*root)),
        })
    }
}

impl Source for ParquetSource {
    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn file(&self, part: usize) -> String {
        self.group(part).0.path.display().to_string()
    }

    fn open(&self, part: usize, budget: &Budget) -> Result<Box<dyn PartReader>> {
        let (at, group) = self.parts[part];
        let file = &self.files[at];
        let input = File::open(&file.path).map_err(|error| Error::io(&file.path, error))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, file.metadata.clone());
        // The reader returns each column once, in the file's order.
        let mut roots: Vec<usize> = match &self.carried {
            Some(_) => (0..file.metadata.schema().fields().len()).collect(),
            None => self.fed.iter().filter_map(|column| *self.table.places[at].get(*column)?).collect(),
        };
        roots.sort_unstable();
        roots.dedup();
        let row_bytes = row_bytes(file, group, &roots);
        let rows = budget.rows(row_bytes);
        let mask = ProjectionMask::roots(file.metadata.parquet_schema(), roots.iter().copied());
        let reader = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(rows).build();
        let reader = reader.map_err(|error| unreadable(&file.path, error))?;
        let place = |root: usize| roots.binary_search(&root).unwrap_or_default();
        let most = rows.min(file.metadata.metadata().row_group(group).num_rows().max(0) as usize);
        let origin = |column: &usize| self.origin(at, *column, &place, most);
        let model = Projection { schema: self.model.clone(), origins: self.fed.iter().map(origin).collect::<Result<_>>()? };
        let carried = match &self.carried {
            Some(schema) => {
                let origins = (0..self.table.names.len()).map(|column| origin(&column)).collect::<Result<_>>()?;
                Some(Projection { schema: schema.clone(), origins })
            }
            None => None,
        };
        Ok(Box::new(RowGroupReader {
            file: file.clone(),
            reader,
            model,
            carried,
            row: file.starts[group],
            bytes: rows * row_bytes,
        }))
    }

    fn decode(&self, part: usize, raw: Raw) -> Result<Rows> {
        let Raw::Batch { model, carried, first_row } = raw else {
            return Err(Error::new(Kind::Internal, "RAW_KIND", "a Parquet file gave text"));
        };
        let extra = self.partitions.batch(self.parts[part].0, &self.extra, model.num_rows())?;
        Ok(Rows { model, columns: carried, extra, text: None, reordered: None, first_row })
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

/// Where the values of a column come from.
enum Origin {
    /// A column of the batches that the reader gives.
    Column(usize),
    /// A directory's name. The array has as many rows as a batch can have.
    Key(ArrayRef),
    /// The file lacks it.
    Missing,
}

/// Columns that are made of what the reader returns.
struct Projection {
    schema: SchemaRef,
    origins: Vec<Origin>,
}

impl Projection {
    /// Makes the columns of a batch whose first row is `first_row` of the file.
    fn of(&self, batch: &RecordBatch, path: &Path, first_row: u64) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut arrays = Vec::with_capacity(self.origins.len());
        for (origin, field) in self.origins.iter().zip(self.schema.fields()) {
            arrays.push(match origin {
                Origin::Column(at) => {
                    let array = batch.column(*at);
                    unify::convert(array, field.data_type()).map_err(|row| {
                        let message =
                            format!("{}: the value has none in the type that the column has in all files", path.display());
                        Error::new(Kind::InvalidArgument, "VALUE_MISMATCH", message)
                            .column(field.name())
                            .expected(field.data_type())
                            .found(array.data_type())
                            .row(first_row + row as u64)
                            .remedy("score files whose types differ in runs of their own")
                    })?
                }
                Origin::Key(value) => value.slice(0, rows),
                Origin::Missing => new_null_array(field.data_type(), rows),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }
}

struct RowGroupReader {
    file: Arc<ParquetFile>,
    reader: ParquetRecordBatchReader,
    model: Projection,
    carried: Option<Projection>,
    row: u64,
    bytes: usize,
}

impl PartReader for RowGroupReader {
    fn estimate(&self) -> usize {
        self.bytes
    }

    fn next(&mut self) -> Result<Option<Raw>> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let batch = batch.map_err(|error| unreadable(&self.file.path, error.into()))?;
        let first_row = self.row;
        self.row += batch.num_rows() as u64;
        let model = self.model.of(&batch, &self.file.path, first_row)?;
        let carried = self.carried.as_ref().map(|shape| shape.of(&batch, &self.file.path, first_row)).transpose()?;
        Ok(Some(Raw::Batch { model, carried, first_row }))
    }
}

/// Reads a file's footer.
fn open_metadata(path: &Path) -> Result<ArrowReaderMetadata> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(|error| unreadable(path, error))?;
    table::distinct_fields(path, metadata.schema().fields())?;
    Ok(metadata)
}

/// The error of a file that the Parquet reader refuses.
pub(in crate::batch) fn unreadable(path: &Path, error: ParquetError) -> Error {
    Error::new(Kind::InvalidArgument, "UNREADABLE_PARQUET", format!("{}: cannot be read as Parquet: {error}", path.display()))
        .source(error)
}

/// Estimates the bytes of one decoded row of the columns with these root indices, which are sorted. Texts are counted from the file's own
/// statistics, because a dictionary stores each value once but a decoded row holds its own copy.
fn row_bytes(file: &ParquetFile, group: usize, roots: &[usize]) -> usize {
    let metadata: &RowGroupMetaData = file.metadata.metadata().row_group(group);
    let rows = metadata.num_rows().max(1) as usize;
    let schema = file.metadata.parquet_schema();
    let mut total = 0;
    for (leaf, column) in metadata.columns().iter().enumerate() {
        if roots.binary_search(&schema.get_column_root_idx(leaf)).is_err() {
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
