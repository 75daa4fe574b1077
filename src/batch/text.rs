//! CSV and JSON lines as a source of rows: which columns, of which types, agreed over all files before a row is scored.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    datatypes::{DataType, Field, Fields, Schema, SchemaRef},
};

use super::{
    Format,
    blocks::{BlockReader, Records},
    budget::Budget,
    cells::type_name,
    csv, hive,
    hive::Partitions,
    infer::{self, Asked, CsvFile},
    inputs::InputFile,
    json,
    source::{Block, Lane, Raw, Rows, Source, Wants},
    tables::{self, Places, Table},
};
use crate::error::{Error, Kind, Result};

const SCAN_BLOCK: usize = 1 << 20;

/// The type of each of a file's columns, `None` where it is not wanted.
type Kinds = Arc<Vec<Option<DataType>>>;

/// One text file: where its records start, and which columns they have.
struct TextFile {
    path: PathBuf,
    offset: u64,
    line: u64,
    bytes: u64,
    names: Arc<Vec<String>>,
    kinds: Kinds,
    /// Where the table's columns are among them.
    places: Places,
}

/// CSV or JSON files that make up one table.
pub(super) struct TextSource {
    format: Format,
    delimiter: u8,
    files: Vec<TextFile>,
    /// Columns of the table, then those that the directories give.
    table: SchemaRef,
    names: Vec<String>,
    partitions: Partitions,
    model: SchemaRef,
    model_columns: Vec<usize>,
    carried: Option<SchemaRef>,
    /// Partition columns that the output has beside the records.
    extra: Vec<usize>,
    /// Whether records are written with their cells in the table's order.
    reorder: bool,
    reserved: Vec<String>,
}

impl TextSource {
    /// Reads headers and, where types are not declared, infers them over all files.
    pub(super) fn plan(files: &[InputFile], format: Format, wants: &Wants) -> Result<Self> {
        let delimiter = wants.delimiter.unwrap_or(b',');
        let declared = wants.subject.declared();
        let mut read = Vec::with_capacity(files.len());
        for file in files {
            let bytes = file.path.metadata().map_err(|error| Error::io(&file.path, error))?.len();
            read.push(Head { path: &file.path, offset: 0, line: 1, bytes, header: None });
        }
        let names = match format {
            Format::Csv => read_headers(&mut read, wants.delimiter)?,
            _ => {
                let enough = (!wants.carry).then(|| wants.feeds(declared.as_ref())).flatten();
                // A column that is in no object may be one of the directories'.
                let enough = enough.map(|mut enough| {
                    enough.retain(|name| files[0].keys.iter().all(|key| key.name != *name));
                    enough
                });
                Some(infer::json_names(&paths(&read), enough.as_deref(), wants.cancel)?)
            }
        };
        let mut names = match names {
            Some(names) => names,
            None => {
                let message = format!("{}: no file has a header", files[0].path.display());
                return Err(Error::new(Kind::InvalidArgument, "NO_HEADER", message));
            }
        };
        if names.is_empty()
            && let Some(schema) = &declared
        {
            // No row says what the columns are: the signature does.
            names = super::source::names(schema);
        }
        let heads: Vec<Arc<Fields>> = heads(&read, &names);
        let table = Table::of(&heads.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        let partitions = Partitions::of(files, &table, declared.as_ref(), &wants.asked())?;
        let width = table.names.len();
        let mut all = table.names.clone();
        all.extend(super::source::names(&partitions.schema));
        if let Some(name) = wants.reserved.iter().find(|name| all.contains(name)) {
            return Err(json::taken(name).context(files[0].path.display()));
        }
        let selection = wants.select(&all)?;
        let feeds = selection.names(all.len());
        let declared = tables::by_name(declared.as_ref());
        let own = |names: &Vec<&str>| names.iter().find_map(|name| declared.get(name)).map(|kind| (*kind).clone());
        let mut kinds: Vec<Option<DataType>> = feeds[..width].iter().map(own).collect();
        let fed: Vec<bool> = feeds[..width].iter().map(|names| !names.is_empty()).collect();
        wants.everywhere(&table, &partitions, &paths(&read), &feeds)?;
        let open: Vec<bool> = (0..width).map(|at| (wants.carry || fed[at]) && kinds[at].is_none()).collect();
        if open.contains(&true) {
            let asked = Asked { names: &table.names, fed: &fed, cancel: wants.cancel };
            let types = match format {
                Format::Csv => infer::csv(&starts(&read, &heads, &table), &asked, &open, delimiter)?,
                _ => infer::json(&paths(&read), &asked)?,
            };
            for ((kind, found), _) in kinds.iter_mut().zip(types).zip(open).filter(|(_, open)| *open) {
                // A column without a value is of no type; pandas reads it as missing numbers.
                *kind = Some(found.unwrap_or(DataType::Float64));
            }
        }
        let field = |(name, kind): (&String, &Option<DataType>)| Field::new(name, kind.clone().unwrap_or(DataType::Null), true);
        let inside: Vec<Field> = table.names.iter().zip(&kinds).map(field).collect();
        let mut outside = inside.clone();
        outside.extend(partitions.schema.fields().iter().map(|field| field.as_ref().clone()));
        let schema = Arc::new(Schema::new(outside));
        let model = selection.schema(&schema);
        let carried = wants.carry.then(|| Arc::new(Schema::new(inside)));
        let mut shared: Option<(Arc<Fields>, Arc<Vec<String>>, Kinds)> = None;
        let mut made = Vec::with_capacity(read.len());
        for ((head, fields), places) in read.into_iter().zip(heads).zip(&table.places) {
            let (names, types) = match shared.take() {
                Some((known, names, types)) if Arc::ptr_eq(&known, &fields) => (names, types),
                _ => {
                    let mut types = vec![None; fields.len()];
                    places.iter().zip(&kinds).for_each(|(place, kind)| place.iter().for_each(|at| types[*at] = kind.clone()));
                    let names = fields.iter().map(|field| field.name().clone()).collect();
                    (Arc::new(names), Arc::new(types))
                }
            };
            shared = Some((fields, names.clone(), types.clone()));
            let Head { path, offset, line, bytes, .. } = head;
            made.push(TextFile { path: path.to_owned(), offset, line, bytes, names, kinds: types, places: places.clone() });
        }
        let extra = wants.extra(files, &partitions);
        let reserved = if format == Format::Json { wants.reserved.to_vec() } else { Vec::new() };
        Ok(Self {
            format,
            delimiter,
            files: made,
            table: schema,
            names: table.names,
            partitions,
            model,
            model_columns: selection.indices(),
            carried,
            extra,
            reorder: false,
            reserved,
        })
    }

    /// Writes records with their cells in the table's order where files differ in it.
    pub(super) fn in_one_order(mut self) -> Self {
        self.reorder = self.format == Format::Csv && self.files.iter().any(|file| *file.names != self.names);
        self
    }

    /// All columns as they are carried.
    pub(super) fn carried(&self) -> Option<&SchemaRef> {
        self.carried.as_ref()
    }

    /// Names of all columns of the table.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Names of the columns of each file.
    pub(super) fn names_by_file(&self) -> Vec<Vec<String>> {
        self.files.iter().map(|file| file.names.to_vec()).collect()
    }

    /// Partition columns that the output has.
    pub(super) fn extra(&self) -> SchemaRef {
        self.partitions.picked(&self.extra)
    }
}

impl Source for TextSource {
    fn parts(&self) -> usize {
        self.files.len()
    }

    fn file(&self, part: usize) -> String {
        self.files[part].path.display().to_string()
    }

    fn open(&self, part: usize, budget: &Budget) -> Result<Box<dyn Lane>> {
        let file = &self.files[part];
        Ok(Box::new(BlockReader::open(&file.path, records(self.format, self.delimiter), file.offset, file.line, budget.block)?))
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
                return hive::repeat(&self.partitions.value(part, index - own.places.len()), count);
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
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// How the records of a format end.
fn records(format: Format, delimiter: u8) -> Records {
    if format == Format::Csv { Records::Csv(delimiter) } else { Records::Lines }
}

/// A file whose header was read.
struct Head<'a> {
    path: &'a Path,
    offset: u64,
    line: u64,
    bytes: u64,
    header: Option<Vec<String>>,
}

fn paths<'a>(files: &[Head<'a>]) -> Vec<&'a Path> {
    files.iter().map(|file| file.path).collect()
}

fn starts<'a>(files: &[Head<'a>], heads: &[Arc<Fields>], table: &'a Table) -> Vec<CsvFile<'a>> {
    let one = |((file, fields), places): ((&Head<'a>, &Arc<Fields>), &'a Places)| CsvFile {
        path: file.path,
        start: (file.offset, file.line),
        width: fields.len(),
        places,
    };
    files.iter().zip(heads).zip(&table.places).map(one).collect()
}

/// Reads the headers; the names of all of them, none where no file has one.
fn read_headers(files: &mut [Head<'_>], delimiter: Option<u8>) -> Result<Option<Vec<String>>> {
    let mut names: Option<Vec<String>> = None;
    let mut known: HashSet<String> = HashSet::new();
    for file in files {
        let shown = file.path.display().to_string();
        let records = Records::Csv(delimiter.unwrap_or(b','));
        let Some(Block { bytes, .. }) = BlockReader::open(file.path, records, 0, 1, SCAN_BLOCK)?.block()? else { continue };
        let Some((header, size)) = csv::header(&shown, &bytes, delimiter)? else { continue };
        file.offset = size as u64;
        file.line = 1 + bytes[..size].iter().filter(|byte| **byte == b'\n').count() as u64;
        let all = names.get_or_insert_default();
        for name in &header {
            if !known.contains(name) {
                known.insert(name.clone());
                all.push(name.clone());
            }
        }
        file.header = Some(header);
    }
    Ok(names)
}

/// The columns of each file; those of files without a header are `names`. Files that are alike share theirs.
fn heads(files: &[Head<'_>], names: &[String]) -> Vec<Arc<Fields>> {
    let fields = |names: &[String]| Arc::new(names.iter().map(|name| Field::new(name, DataType::Null, true)).collect::<Fields>());
    let mut known: Vec<(&[String], Arc<Fields>)> = Vec::new();
    let mut heads = Vec::with_capacity(files.len());
    for file in files {
        let own = file.header.as_deref().unwrap_or(names);
        let there = known.iter().find(|(names, _)| *names == own).map(|(_, fields)| fields.clone());
        heads.push(there.unwrap_or_else(|| {
            let made = fields(own);
            known.push((own, made.clone()));
            made
        }));
    }
    heads
}

/// The error of a column whose type two files do not agree on.
pub(super) fn types_differ(column: &str, first: (&Path, &DataType), other: (&Path, &DataType)) -> Error {
    let message = format!("{} and {} disagree on the column's type", first.0.display(), other.0.display());
    Error::new(Kind::InvalidArgument, "TYPES_DIFFER", message)
        .column(column)
        .expected(type_name(first.1))
        .found(type_name(other.1))
        .remedy("no type holds the values of both: score them in runs of their own")
}
