//! Types of columns that no signature declares: each file is read once, then all files must agree.

use std::{collections::VecDeque, path::Path};

use arrow::{
    datatypes::{DataType, Field},
    error::ArrowError,
};
use serde_json::Value;

use super::{
    blocks::{BlockReader, Records},
    csv,
    json::objects,
    text::types_differ,
};
use crate::error::{Error, Kind, Result};

const BLOCK: usize = 1 << 20;

/// Types of the columns of CSV files, each given with the offset and line its records start at. `None`: no value anywhere.
pub(super) fn csv(files: &[(&Path, u64, u64)], names: &[String], wanted: &[usize]) -> Result<Vec<Option<DataType>>> {
    let mut agreed = Agreed::default();
    for (path, offset, line) in files {
        // Columns that are not asked for start, and stay, as text: nothing is parsed for them.
        let mut types: Vec<_> = (0..names.len()).map(|index| (!wanted.contains(&index)).then_some(DataType::Utf8)).collect();
        let shown = path.display().to_string();
        let mut reader = BlockReader::open(path, Records::Csv, *offset, *line, BLOCK)?;
        while let Some(block) = reader.block()? {
            csv::infer(&shown, &block, &mut types)?;
        }
        agreed.add(path, names, types)?;
    }
    Ok(agreed.types)
}

/// Names of columns, and their types where those were looked for.
type Inferred = (Vec<String>, Option<Vec<Option<DataType>>>);

/// Column names of JSON files in the order they are first seen, and their types. Reading stops, without types, once all of
/// `enough` were seen.
pub(super) fn json(files: &[&Path], enough: Option<&[String]>) -> Result<Inferred> {
    let mut names: Vec<String> = Vec::new();
    let mut agreed = Agreed::default();
    for path in files {
        let mut values = Values::open(path, &mut names)?;
        let Some(enough) = enough else {
            let inferred = arrow::json::reader::infer_json_schema_from_iterator(values.by_ref());
            if let Some(error) = values.failed.take() {
                return Err(error);
            }
            let schema = inferred.map_err(|error| {
                let message = format!("{}: the values of a column have no common type: {error}", path.display());
                Error::new(Kind::InvalidArgument, "TYPES_DIFFER", message).source(error)
            })?;
            let kind = |name: &String| {
                schema.field_with_name(name).ok().map(|field| ordered(field.data_type())).filter(|kind| !kind.is_null())
            };
            let types = names.iter().map(kind).collect();
            agreed.add(path, &names, types)?;
            continue;
        };
        while let Some(value) = values.next() {
            drop(value);
            if values.queue.is_empty() && enough.iter().all(|name| values.names.contains(name)) {
                return Ok((names, None));
            }
        }
        if let Some(error) = values.failed.take() {
            return Err(error);
        }
    }
    Ok((names, enough.is_none().then_some(agreed.types)))
}

/// The objects of a JSON lines file, one by one; notes the names it meets.
struct Values<'a> {
    file: String,
    reader: BlockReader,
    queue: VecDeque<Value>,
    names: &'a mut Vec<String>,
    failed: Option<Error>,
}

impl<'a> Values<'a> {
    fn open(path: &Path, names: &'a mut Vec<String>) -> Result<Self> {
        let reader = BlockReader::open(path, Records::Lines, 0, 1, BLOCK)?;
        Ok(Self { file: path.display().to_string(), reader, queue: VecDeque::new(), names, failed: None })
    }

    fn fill(&mut self) -> Result<()> {
        while self.queue.is_empty() {
            let Some(block) = self.reader.block()? else { break };
            objects(&self.file, &block, |_, _, object| {
                for name in object.keys() {
                    if !self.names.contains(name) {
                        self.names.push(name.clone());
                    }
                }
                self.queue.push_back(Value::Object(object));
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Iterator for Values<'_> {
    type Item = std::result::Result<Value, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            self.failed = Some(error);
            return None;
        }
        self.queue.pop_front().map(Ok)
    }
}

/// Arrow infers the fields of a struct in no order: sorted, every file and run agrees.
fn ordered(kind: &DataType) -> DataType {
    match kind {
        DataType::Struct(fields) => {
            let mut fields: Vec<Field> =
                fields.iter().map(|field| field.as_ref().clone().with_data_type(ordered(field.data_type()))).collect();
            fields.sort_by(|a, b| a.name().cmp(b.name()));
            DataType::Struct(fields.into())
        }
        DataType::List(item) => DataType::List(item.as_ref().clone().with_data_type(ordered(item.data_type())).into()),
        other => other.clone(),
    }
}

/// The types all files so far agree on, and the file that first had each.
#[derive(Default)]
struct Agreed<'a> {
    types: Vec<Option<DataType>>,
    from: Vec<Option<&'a Path>>,
}

impl<'a> Agreed<'a> {
    fn add(&mut self, path: &'a Path, names: &[String], types: Vec<Option<DataType>>) -> Result<()> {
        self.types.resize(names.len(), None);
        self.from.resize(names.len(), None);
        for (index, kind) in types.into_iter().enumerate() {
            let Some(kind) = kind else { continue };
            let joined = match &self.types[index] {
                Some(there) if *there == kind => kind,
                Some(DataType::Int64 | DataType::Float64) if matches!(kind, DataType::Int64 | DataType::Float64) => {
                    DataType::Float64
                }
                Some(there) => {
                    let first = self.from[index].unwrap_or(path);
                    return Err(types_differ(&names[index], (first, there), (path, &kind)));
                }
                None => kind,
            };
            self.types[index] = Some(joined);
            self.from[index].get_or_insert(path);
        }
        Ok(())
    }
}
