//! CSV and JSON lines as a source of rows: which columns, of which types, agreed over all files before a row is scored.

use std::{path::Path, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use super::{
    Format,
    blocks::{BlockReader, Records},
    budget::Budget,
    cells::type_name,
    csv,
    inputs::InputFile,
    json,
    select::{Subject, declared_type, list},
    source::{Block, Lane, Raw, Rows, Source},
};
use crate::error::{Error, Kind, Result};

const SCAN_BLOCK: usize = 1 << 20;

/// One text file and where its records start.
struct TextFile {
    path: std::path::PathBuf,
    offset: u64,
    line: u64,
    bytes: u64,
}

/// CSV or JSON files that make up one table.
pub(super) struct TextSource {
    format: Format,
    files: Vec<TextFile>,
    names: Vec<String>,
    kinds: Vec<Option<DataType>>,
    model: SchemaRef,
    model_columns: Vec<usize>,
    carried: Option<SchemaRef>,
    reserved: Vec<String>,
}

/// What a [`TextSource`] is asked for.
pub(super) struct TextWants<'a> {
    /// Picks and types the model's columns; `None` when every column is wanted as a value (a table of SQL).
    pub(super) subject: Option<&'a Subject>,
    /// `--columns`.
    pub(super) columns: Option<&'a [String]>,
    /// Whether all columns are wanted as values.
    pub(super) carry: bool,
    /// Names the output will add.
    pub(super) reserved: &'a [String],
}

impl TextSource {
    /// Reads headers and, where types are not declared, infers them over all files.
    pub(super) fn plan(files: &[InputFile], format: Format, wants: &TextWants) -> Result<Self> {
        let declared = wants.subject.and_then(Subject::declared);
        let mut read = Vec::with_capacity(files.len());
        let mut names: Option<(Vec<String>, &Path)> = None;
        for file in files {
            let bytes = file.path.metadata().map_err(|error| Error::io(&file.path, error))?.len();
            let mut found = TextFile { path: file.path.clone(), offset: 0, line: 1, bytes };
            if format == Format::Csv
                && let Some(header) = read_header(&mut found)?
            {
                match &names {
                    None => names = Some((header, &file.path)),
                    Some((first, _)) if *first == header => {}
                    Some((first, path)) => return Err(headers_differ(path, first, &file.path, &header)),
                }
            }
            read.push(found);
        }
        let mut json_types = None;
        let mut names = match (format, names) {
            (Format::Csv, Some((names, _))) => names,
            (Format::Csv, None) => {
                let message = format!("{}: no file has a header", files[0].path.display());
                return Err(Error::new(Kind::InvalidArgument, "NO_HEADER", message));
            }
            _ => {
                let enough = (!wants.carry).then(|| feeds(wants, declared.as_ref())).flatten();
                let (names, types) = super::infer::json(&read_paths(&read), enough.as_deref())?;
                json_types = types;
                names
            }
        };
        if names.is_empty()
            && let Some(schema) = &declared
        {
            // No row says what the columns are: the signature does.
            names = super::source::names(schema);
        }
        let everything = || (0..names.len()).map(|index| (index, names[index].clone())).collect::<Vec<_>>();
        let selection = wants.subject.map(|subject| subject.select(&names, wants.columns)).transpose()?;
        let own = |index: usize| match &selection {
            Some(selection) => selection.names_of(index).find_map(|name| declared_type(declared.as_ref(), name)),
            None => None,
        };
        let used =
            |index: usize| wants.carry || selection.as_ref().is_none_or(|selection| selection.names_of(index).next().is_some());
        let mut kinds: Vec<Option<DataType>> = (0..names.len()).map(own).collect();
        let open: Vec<usize> =
            everything().iter().map(|(index, _)| *index).filter(|index| used(*index) && kinds[*index].is_none()).collect();
        if !open.is_empty() {
            let types = match json_types {
                Some(types) => types,
                None if format == Format::Csv => super::infer::csv(&starts(&read), &names, &open)?,
                None => super::infer::json(&read_paths(&read), None)?.1.unwrap_or_default(),
            };
            for index in open {
                // A column without a value is of no type; pandas reads it as missing numbers.
                kinds[index] = Some(types.get(index).cloned().flatten().unwrap_or(DataType::Float64));
            }
        }
        let field = |index: usize| Field::new(&names[index], kinds[index].clone().unwrap_or(DataType::Null), true);
        let all = Schema::new((0..names.len()).map(field).collect::<Vec<_>>());
        let model = match &selection {
            Some(selection) => selection.schema(&all),
            None => Arc::new(Schema::empty()),
        };
        let model_columns = selection.map(|selection| selection.indices()).unwrap_or_default();
        let carried = wants.carry.then(|| Arc::new(all));
        let reserved = if format == Format::Json { wants.reserved.to_vec() } else { Vec::new() };
        if let Some(name) = wants.reserved.iter().find(|name| names.contains(name)) {
            return Err(json::taken(name).context(files[0].path.display()));
        }
        Ok(Self { format, files: read, names, kinds, model, model_columns, carried, reserved })
    }

    /// All columns as they are carried.
    pub(super) fn carried(&self) -> Option<&SchemaRef> {
        self.carried.as_ref()
    }

    /// Names of all columns.
    pub(super) fn names(&self) -> &[String] {
        &self.names
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
        Ok(Box::new(BlockReader::open(&file.path, records(self.format), file.offset, file.line, budget.block)?))
    }

    fn decode(&self, part: usize, raw: Raw) -> Result<Rows> {
        let Raw::Text(block) = raw else {
            return Err(Error::new(Kind::Internal, "RAW_KIND", "a text file gave a batch"));
        };
        let file = self.file(part);
        let parsed = match self.format {
            Format::Csv => csv::parse(&file, &block, &self.names, &self.kinds)?,
            _ => json::parse(&file, &block, &self.names, &self.kinds, &self.reserved)?,
        };
        let count = parsed.records.len();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(count));
        let column = |index: &usize| {
            parsed.columns[*index].clone().ok_or_else(|| {
                Error::new(Kind::Internal, "COLUMN_NOT_READ", "a column the model reads was not parsed")
                    .column(&self.names[*index])
            })
        };
        let arrays = self.model_columns.iter().map(column).collect::<Result<_>>()?;
        let model = RecordBatch::try_new_with_options(self.model.clone(), arrays, &options)?;
        let columns = match &self.carried {
            None => None,
            Some(schema) => {
                let arrays = (0..self.names.len()).map(|index| column(&index)).collect::<Result<_>>()?;
                Some(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?)
            }
        };
        Ok(Rows { model, columns, text: Some((block, parsed.records)), first_row: 0 })
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
pub(super) fn records(format: Format) -> Records {
    if format == Format::Csv { Records::Csv } else { Records::Lines }
}

/// The model's column names, when a JSON object need not be asked for others.
fn feeds(wants: &TextWants, declared: Option<&SchemaRef>) -> Option<Vec<String>> {
    declared?;
    let expected = wants.subject?.expected()?;
    Some(match wants.columns {
        Some(columns) => columns.to_vec(),
        None => super::source::names(&expected),
    })
}

fn read_paths(files: &[TextFile]) -> Vec<&Path> {
    files.iter().map(|file| file.path.as_path()).collect()
}

fn starts(files: &[TextFile]) -> Vec<(&Path, u64, u64)> {
    files.iter().map(|file| (file.path.as_path(), file.offset, file.line)).collect()
}

fn read_header(file: &mut TextFile) -> Result<Option<Vec<String>>> {
    let shown = file.path.display().to_string();
    let Some(Block { bytes, .. }) = BlockReader::open(&file.path, Records::Csv, 0, 1, SCAN_BLOCK)?.block()? else {
        return Ok(None);
    };
    let Some((names, size)) = csv::header(&shown, &bytes)? else { return Ok(None) };
    file.offset = size as u64;
    file.line = 1 + bytes[..size].iter().filter(|byte| **byte == b'\n').count() as u64;
    Ok(Some(names))
}

fn headers_differ(first: &Path, names: &[String], other: &Path, found: &[String]) -> Error {
    let message = format!("{} has other columns than {}", other.display(), first.display());
    Error::new(Kind::InvalidArgument, "HEADERS_DIFFER", message)
        .expected(list(names))
        .found(list(found))
        .remedy("score files of different columns in runs of their own")
}

/// The error of a column whose type two files do not agree on.
pub(super) fn types_differ(column: &str, first: (&Path, &DataType), other: (&Path, &DataType)) -> Error {
    let message = format!("{} and {} disagree on the column's type", first.0.display(), other.0.display());
    Error::new(Kind::InvalidArgument, "TYPES_DIFFER", message)
        .column(column)
        .expected(type_name(first.1))
        .found(type_name(other.1))
        .remedy("score them in runs of their own, or give the model a signature")
}
