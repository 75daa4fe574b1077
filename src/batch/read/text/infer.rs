//! Infers the types of columns that no signature declares: every file is read once, and a column gets a type that holds the values of all files.

use std::{collections::VecDeque, path::Path};

use arrow::{
    datatypes::{DataType, Field, Fields},
    error::ArrowError,
};
use indexmap::IndexSet;
use serde_json::Value;

use super::{
    blocks::{BlockReader, Records},
    csv,
    headers::FileHead,
    json::objects,
};
use crate::batch::read::{
    table::{Places, types_differ},
    unify,
    values::join,
};
use crate::{
    error::{Error, Kind, Result},
    score::CancelFlag,
};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// A CSV file whose columns are to be typed.
pub(super) struct CsvFile<'a> {
    path: &'a Path,
    /// Where its records start: offset and line.
    start: (u64, u64),
    /// How many columns it has, and where those of the table are among them.
    width: usize,
    places: &'a Places,
}

impl<'a> CsvFile<'a> {
    /// A file whose header was read: its columns, and where those of the table are among them.
    pub(super) fn new(head: &FileHead<'a>, columns: &Fields, places: &'a Places) -> Self {
        Self { path: head.path, start: head.start, width: columns.len(), places }
    }
}

/// The columns whose types are inferred.
pub(super) struct InferOptions<'a> {
    pub(super) names: &'a [String],
    /// Which columns the model reads. These may not become text because one file has numbers and another has text.
    pub(super) fed: &'a [bool],
    pub(super) cancel: &'a CancelFlag,
}

/// Infers the types of the columns of CSV files that are `wanted`. `None` for a column without a value.
pub(super) fn csv(
    files: &[CsvFile<'_>],
    asked: &InferOptions<'_>,
    wanted: &[bool],
    delimiter: u8,
) -> Result<Vec<Option<DataType>>> {
    let mut agreed = CommonTypes::default();
    for file in files {
        // A column that is not wanted starts as text, which stays text without parsing its cells.
        let mut types = vec![Some(DataType::Utf8); file.width];
        for (place, _) in file.places.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
            place.iter().for_each(|place| types[*place] = None);
        }
        let shown = file.path.display().to_string();
        let (offset, line) = file.start;
        let mut reader = BlockReader::open(file.path, Records::Csv(delimiter), offset, line, BLOCK)?;
        while let Some(block) = reader.block()? {
            check(asked.cancel)?;
            csv::infer(&shown, &block, &mut types, delimiter)?;
        }
        let own = |(place, wanted): (&Option<usize>, &bool)| place.filter(|_| *wanted).and_then(|place| types[place].clone());
        agreed.add(file.path, asked, file.places.iter().zip(wanted).map(own).collect())?;
    }
    Ok(agreed.types)
}

fn check(cancel: &CancelFlag) -> Result<()> {
    match cancel.is_cancelled() {
        true => Err(Error::new(Kind::Cancelled, "CANCELLED", "the run was cancelled; nothing was written")),
        false => Ok(()),
    }
}

/// Column names of JSON files in the order in which they are first seen. Reading stops once all of `enough` were seen.
pub(super) fn json_names(files: &[&Path], enough: Option<&[String]>, cancel: &CancelFlag) -> Result<Vec<String>> {
    let mut names = IndexSet::new();
    for path in files {
        let mut values = JsonObjects::open(path, &mut names, cancel)?;
        while let Some(value) = values.next() {
            drop(value);
            if values.queue.is_empty() && enough.is_some_and(|enough| enough.iter().all(|name| values.names.contains(name))) {
                return Ok(names.into_iter().collect());
            }
        }
        if let Some(error) = values.failed.take() {
            return Err(error);
        }
    }
    Ok(names.into_iter().collect())
}

/// Types of the columns of JSON files.
pub(super) fn json(files: &[&Path], asked: &InferOptions<'_>) -> Result<Vec<Option<DataType>>> {
    let mut agreed = CommonTypes::default();
    for path in files {
        let mut names = IndexSet::new();
        let mut values = JsonObjects::open(path, &mut names, asked.cancel)?;
        let inferred = arrow::json::reader::infer_json_schema_from_iterator(values.by_ref());
        if let Some(error) = values.failed.take() {
            return Err(error);
        }
        let schema = inferred.map_err(|error| {
            let message = format!("{}: the values of a column have no common type: {error}", path.display());
            Error::new(Kind::InvalidArgument, "TYPES_DIFFER", message).source(error)
        })?;
        let mut kinds: foldhash::HashMap<&str, &DataType> =
            schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        let own = |name: &String| kinds.remove(name.as_str()).map(ordered).filter(|kind| !kind.is_null());
        agreed.add(path, asked, asked.names.iter().map(own).collect())?;
    }
    Ok(agreed.types)
}

/// Iterates over the objects of a JSON lines file and collects the names of their keys.
struct JsonObjects<'a> {
    file: String,
    reader: BlockReader,
    queue: VecDeque<Value>,
    names: &'a mut IndexSet<String>,
    cancel: &'a CancelFlag,
    failed: Option<Error>,
}

impl<'a> JsonObjects<'a> {
    fn open(path: &Path, names: &'a mut IndexSet<String>, cancel: &'a CancelFlag) -> Result<Self> {
        let reader = BlockReader::open(path, Records::Lines, 0, 1, BLOCK)?;
        Ok(Self { file: path.display().to_string(), reader, queue: VecDeque::new(), names, cancel, failed: None })
    }

    fn fill(&mut self) -> Result<()> {
        while self.queue.is_empty() {
            let Some(block) = self.reader.block()? else { break };
            check(self.cancel)?;
            objects(&self.file, &block, |_, _, object| {
                for name in object.keys() {
                    if !self.names.contains(name) {
                        self.names.insert(name.clone());
                    }
                }
                self.queue.push_back(Value::Object(object));
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Iterator for JsonObjects<'_> {
    type Item = std::result::Result<Value, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            self.failed = Some(error);
            return None;
        }
        self.queue.pop_front().map(Ok)
    }
}

/// Sorts the fields of structs by name: arrow-json infers them in an order that differs from run to run.
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

/// The types that hold the values of all files so far, and the file in which each column first had a value.
#[derive(Default)]
struct CommonTypes<'a> {
    types: Vec<Option<DataType>>,
    from: Vec<Option<&'a Path>>,
}

impl<'a> CommonTypes<'a> {
    fn add(&mut self, path: &'a Path, asked: &InferOptions<'_>, types: Vec<Option<DataType>>) -> Result<()> {
        self.types.resize(asked.names.len(), None);
        self.from.resize(asked.names.len(), None);
        for (index, kind) in types.into_iter().enumerate() {
            let Some(kind) = kind else { continue };
            self.types[index] = Some(match self.types[index].take() {
                None => kind,
                Some(there) => match both(&there, &kind) {
                    Some(both) => both,
                    // Columns that the model does not read may be written as text, which keeps every cell as it is.
                    None if !asked.fed[index] && !there.is_nested() && !kind.is_nested() => DataType::Utf8,
                    None => {
                        let first = self.from[index].unwrap_or(path);
                        return Err(types_differ(&asked.names[index], (first, &there), (path, &kind)));
                    }
                },
            });
            self.from[index].get_or_insert(path);
        }
        Ok(())
    }
}

/// The type that holds the values which two files have in a column. The rules are those within one file, except that text is not joined
/// with numbers, times or booleans.
fn both(there: &DataType, kind: &DataType) -> Option<DataType> {
    unify::common(there, kind).or_else(|| join(Some(there.clone()), Some(kind.clone())).filter(|both| *both != DataType::Utf8))
}
