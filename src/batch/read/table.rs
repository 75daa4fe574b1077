//! Several files as one table: columns are found by name, and each has a type that holds the values of all files.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, Fields, SchemaRef};

use super::{unify, values::type_name};
use crate::error::{Error, Kind, Result};

/// For each column of a table its index in one file; `None` where the file lacks it.
pub(super) type Places = Arc<[Option<usize>]>;

/// The columns of files, in the order in which they are first seen.
pub(super) struct Table {
    pub(super) names: Vec<String>,
    kinds: Vec<std::result::Result<DataType, TypeConflict>>,
    /// Each column as it is in the first file that has it.
    fields: Vec<Field>,
    nullable: Vec<bool>,
    /// The first file that has each column.
    first: Vec<usize>,
    pub(super) places: Vec<Places>,
}

/// Two types of a column whose values no type holds.
struct TypeConflict {
    there: DataType,
    other: usize,
    found: DataType,
}

impl Table {
    /// The table of files with these columns, where no file has one twice.
    pub(super) fn of(files: &[&Fields]) -> Self {
        let mut table = Self {
            names: Vec::new(),
            kinds: Vec::new(),
            fields: Vec::new(),
            nullable: Vec::new(),
            first: Vec::new(),
            places: Vec::new(),
        };
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut last: Option<(&Fields, Vec<usize>)> = None;
        let mut own = Vec::with_capacity(files.len());
        for (file, fields) in files.iter().copied().enumerate() {
            // The files of most tables have the same columns.
            if let Some((before, columns)) = &last
                && *before == fields
            {
                own.push(columns.clone());
                continue;
            }
            let mut columns = Vec::with_capacity(fields.len());
            for field in fields {
                match known.get(field.name()) {
                    Some(&at) => {
                        table.join(at, file, field);
                        columns.push(at);
                    }
                    None => {
                        known.insert(field.name().clone(), table.names.len());
                        columns.push(table.names.len());
                        table.names.push(field.name().clone());
                        table.kinds.push(Ok(field.data_type().clone()));
                        table.fields.push(field.as_ref().clone());
                        table.nullable.push(field.is_nullable());
                        table.first.push(file);
                    }
                }
            }
            last = Some((fields, columns.clone()));
            own.push(columns);
        }
        let mut shared: Option<(Vec<usize>, Places)> = None;
        for columns in own {
            let places = match shared.take() {
                Some((before, places)) if before == columns => places,
                _ => {
                    let mut places = vec![None; table.names.len()];
                    columns.iter().enumerate().for_each(|(at, column)| places[*column] = Some(at));
                    places.into()
                }
            };
            table.nullable.iter_mut().zip(places.iter()).for_each(|(nullable, place)| *nullable |= place.is_none());
            shared = Some((columns, places.clone()));
            table.places.push(places);
        }
        table
    }

    fn join(&mut self, at: usize, file: usize, field: &Field) {
        self.nullable[at] |= field.is_nullable();
        let Ok(there) = &self.kinds[at] else { return };
        self.kinds[at] = unify::common(there, field.data_type()).ok_or_else(|| TypeConflict {
            there: there.clone(),
            other: file,
            found: field.data_type().clone(),
        });
    }

    /// A column of the table. Where no type holds the values of all files, the type that `declared` gives the column may.
    pub(super) fn field(&self, at: usize, files: &FileSchemas<'_>, declared: Option<&DataType>) -> Result<Field> {
        let kind = match &self.kinds[at] {
            Ok(kind) => kind.clone(),
            Err(conflict) => {
                let kinds: Vec<&DataType> = self
                    .places
                    .iter()
                    .zip(files.fields)
                    .filter_map(|(places, fields)| Some(fields[places[at]?].data_type()))
                    .collect();
                match declared {
                    Some(declared) if unify::declares(declared, &kinds) => declared.clone(),
                    _ => {
                        let first = (files.paths[self.first[at]], &conflict.there);
                        return Err(types_differ(&self.names[at], first, (files.paths[conflict.other], &conflict.found)));
                    }
                }
            }
        };
        Ok(self.fields[at].clone().with_data_type(kind).with_nullable(self.nullable[at]))
    }

    /// Refuses a file that lacks a column the model reads.
    pub(super) fn require_in_every_file(&self, at: usize, files: &[&Path]) -> Result<()> {
        match self.places.iter().position(|places| places[at].is_none()) {
            Some(file) => Err(lacking(&self.names[at], files[file], files[self.first[at]])),
            None => Ok(()),
        }
    }
}

/// The files of a table.
pub(super) struct FileSchemas<'a> {
    pub(super) paths: &'a [&'a Path],
    pub(super) fields: &'a [&'a Fields],
}

/// The error of a file that lacks a column which the model reads and another file has.
pub(super) fn lacking(column: &str, file: &Path, other: &Path) -> Error {
    let message = format!("{} lacks a column that the model reads and {} has", file.display(), other.display());
    Error::new(Kind::InvalidArgument, "MISSING_COLUMN", message)
        .column(column)
        .remedy("add it to the file, or score files of different columns in runs of their own")
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

/// Refuses a file that has two columns of one name.
pub(super) fn distinct<'a>(file: &Path, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            let message = format!("{}: the file has two columns of this name", file.display());
            return Err(Error::new(Kind::InvalidArgument, "DUPLICATE_COLUMN", message)
                .column(name)
                .remedy("rename or drop one of them"));
        }
    }
    Ok(())
}

/// Refuses a file that has two columns of one name, or a column with two fields of one name.
pub(super) fn distinct_fields(file: &Path, fields: &Fields) -> Result<()> {
    distinct(file, fields.iter().map(|field| field.name().as_str()))?;
    fields.iter().try_for_each(|field| {
        inner_fields(field.data_type()).map_or(Ok(()), |inner| {
            distinct_fields(file, inner).map_err(|error| error.context(format_args!("in column '{}'", field.name())))
        })
    })
}

/// The fields of a record, or of the records in a list or map.
fn inner_fields(kind: &DataType) -> Option<&Fields> {
    match kind {
        DataType::Struct(fields) => Some(fields),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) | DataType::Map(item, _) => {
            inner_fields(item.data_type())
        }
        _ => None,
    }
}

/// The declared type of each name.
pub(super) fn by_name(declared: Option<&SchemaRef>) -> HashMap<&str, &DataType> {
    let fields = declared.map(|schema| schema.fields().iter()).into_iter().flatten();
    fields.filter(|field| !field.data_type().is_null()).map(|field| (field.name().as_str(), field.data_type())).collect()
}
