//! Which columns text files have, and of which types: agreed over all files before a row is scored.

use std::{path::Path, sync::Arc};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::{
    TextFile, TextSource,
    headers::{self, FileHead},
    infer::{self, CsvFile, InferOptions},
};
use crate::{
    batch::{
        Format,
        read::{
            column_names,
            files::InputFiles,
            name_taken,
            options::{Purpose, ReadOptions},
            partitions::Partitions,
            table::{self, Table},
        },
    },
    error::{Error, Kind, Result},
};

impl TextSource {
    /// Reads headers and, where types are not declared, infers them over all files.
    pub(in crate::batch::read) fn plan(inputs: &InputFiles, options: &ReadOptions<'_>) -> Result<Self> {
        let InputFiles { files, format } = inputs;
        let declared = options.subject.declared();
        let mut heads = headers::sizes(files)?;
        let names = names(&mut heads, inputs, declared.as_ref(), options)?;
        let columns = headers::columns(&heads, &names);
        let table = Table::of(&columns.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        let partitions = Partitions::of(files, &table, declared.as_ref(), &options.asked())?;
        let mut all = table.names.clone();
        all.extend(column_names(&partitions.schema));
        if let Some(name) = options.reserved.iter().find(|name| all.contains(name)) {
            return Err(name_taken(name).context(files[0].path.display()));
        }
        let selection = options.select(&all)?;
        let feeds = selection.names(all.len());
        options.require_in_every_file(&table, &partitions, &paths(&heads), &feeds)?;
        let carries = options.purpose.needs_values(*format);
        let kinds = types(&heads, &columns, &table, &feeds, *format, declared.as_ref(), options)?;

        let field = |(name, kind): (&String, &Option<DataType>)| Field::new(name, kind.clone().unwrap_or(DataType::Null), true);
        let inside: Vec<Field> = table.names.iter().zip(&kinds).map(field).collect();
        let mut outside = inside.clone();
        outside.extend(partitions.schema.fields().iter().map(|field| field.as_ref().clone()));
        let schema = Arc::new(Schema::new(outside));
        let made = text_files(heads, columns, &table, &kinds);
        let one_output = options.purpose == Purpose::Output(Format::Csv) && !options.by_file;
        Ok(Self {
            format: *format,
            delimiter: options.delimiter.unwrap_or(b','),
            purpose: options.purpose,
            by_file: options.by_file,
            reorder: one_output && *format == Format::Csv && made.iter().any(|file| *file.names != table.names),
            files: made,
            model: selection.schema(&schema),
            table: schema,
            names: table.names,
            extra: options.extra(files, &partitions),
            partitions,
            model_columns: selection.indices(),
            carried: carries.then(|| Arc::new(Schema::new(inside))),
            reserved: if *format == Format::Json { options.reserved.to_vec() } else { Vec::new() },
        })
    }
}

/// The names of all columns, in the order in which they are first seen.
fn names(
    heads: &mut [FileHead<'_>],
    inputs: &InputFiles,
    declared: Option<&SchemaRef>,
    options: &ReadOptions<'_>,
) -> Result<Vec<String>> {
    let InputFiles { files, format } = inputs;
    let names = match format {
        Format::Csv => headers::read_headers(heads, options.delimiter)?,
        _ => {
            let enough = (!options.purpose.needs_values(*format)).then(|| options.sufficient(declared)).flatten();
            // A name that no object has may be that of a partition column.
            let enough = enough.map(|mut enough| {
                enough.retain(|name| files[0].keys.iter().all(|key| key.name != *name));
                enough
            });
            Some(infer::json_names(&paths(heads), enough.as_deref(), options.cancel)?)
        }
    };
    let names = names.ok_or_else(|| {
        let message = format!("{}: no file has a header", files[0].path.display());
        Error::new(Kind::InvalidArgument, "NO_HEADER", message)
    })?;
    match declared {
        // No row says what the columns are: the signature does.
        Some(schema) if names.is_empty() => Ok(column_names(schema)),
        _ => Ok(names),
    }
}

/// The types of the table's columns: declared ones, else those that the values of all files have. `None` for columns that nobody reads.
fn types(
    heads: &[FileHead<'_>],
    columns: &[Arc<Fields>],
    table: &Table,
    feeds: &[Vec<&str>],
    format: Format,
    declared: Option<&SchemaRef>,
    options: &ReadOptions<'_>,
) -> Result<Vec<Option<DataType>>> {
    let width = table.names.len();
    let declared = table::by_name(declared);
    let own = |names: &Vec<&str>| names.iter().find_map(|name| declared.get(name)).map(|kind| (*kind).clone());
    let mut kinds: Vec<Option<DataType>> = feeds[..width].iter().map(own).collect();
    let fed: Vec<bool> = feeds[..width].iter().map(|names| !names.is_empty()).collect();
    let carries = options.purpose.needs_values(format);
    let open: Vec<bool> = (0..width).map(|at| (carries || fed[at]) && kinds[at].is_none()).collect();
    if !open.contains(&true) {
        return Ok(kinds);
    }
    let asked = InferOptions { names: &table.names, fed: &fed, cancel: options.cancel };
    let types = match format {
        Format::Csv => {
            let files: Vec<CsvFile<'_>> = heads
                .iter()
                .zip(columns)
                .zip(&table.places)
                .map(|((head, columns), places)| CsvFile::new(head, columns, places))
                .collect();
            infer::csv(&files, &asked, &open, options.delimiter.unwrap_or(b','))?
        }
        _ => infer::json(&paths(heads), &asked)?,
    };
    for ((kind, found), _) in kinds.iter_mut().zip(types).zip(open).filter(|(_, open)| *open) {
        // A column without a value is of no type; pandas reads it as missing numbers.
        *kind = Some(found.unwrap_or(DataType::Float64));
    }
    Ok(kinds)
}

/// The files as they are read. Files of the same columns share the lists of names and types.
fn text_files(heads: Vec<FileHead<'_>>, columns: Vec<Arc<Fields>>, table: &Table, kinds: &[Option<DataType>]) -> Vec<TextFile> {
    let mut made: Vec<TextFile> = Vec::with_capacity(heads.len());
    let mut last: Option<Arc<Fields>> = None;
    for ((head, fields), places) in heads.into_iter().zip(columns).zip(&table.places) {
        let (names, types) = match (&last, made.last()) {
            (Some(before), Some(file)) if Arc::ptr_eq(before, &fields) => (file.names.clone(), file.kinds.clone()),
            _ => {
                let mut types = vec![None; fields.len()];
                places.iter().zip(kinds).for_each(|(place, kind)| place.iter().for_each(|at| types[*at] = kind.clone()));
                let names = fields.iter().map(|field| field.name().clone()).collect();
                (Arc::new(names), Arc::new(types))
            }
        };
        last = Some(fields);
        let FileHead { path, start, bytes, .. } = head;
        made.push(TextFile { path: path.to_owned(), start, bytes, names, kinds: types, places: places.clone() });
    }
    made
}

fn paths<'a>(files: &[FileHead<'a>]) -> Vec<&'a Path> {
    files.iter().map(|file| file.path).collect()
}
