//! Partition columns: columns in the names of directories, `day=2024-01-02/hour=3/x.parquet`, with the types that Spark infers for them.

use std::{collections::HashSet, ffi::OsStr, path::Path, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, RecordBatch, UInt32Array, new_null_array},
    compute::take,
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit},
};

use super::{
    files::InputFile,
    table,
    values::{ColumnBuilder, is_date, type_name},
};
use crate::error::{Error, Kind, Result};

/// What stands for a null in the name of a directory.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// A column in the name of a directory, with its value as it is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::batch) struct PartitionKey {
    pub(in crate::batch) name: String,
    /// May be percent-encoded.
    raw: String,
    /// Whether the directory is below the input, and not the input itself or above.
    below: bool,
}

/// The partition columns of a file, outermost first. `below` is how many of its directories are below the one that was given as input.
/// Among these there may be directories that are no partition columns; above them the first such directory ends the search.
pub(super) fn keys(file: &Path, below: usize) -> Result<Vec<PartitionKey>> {
    let directories: Vec<&OsStr> = file
        .parent()
        .into_iter()
        .flat_map(Path::components)
        .filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    let mut keys: Vec<PartitionKey> = Vec::new();
    for (depth, directory) in directories.into_iter().rev().enumerate() {
        let Some((name, value)) = directory.to_str().and_then(|name| name.split_once('=')) else {
            // As in Spark, a directory that is no partition column ends the search once one was found.
            if depth >= below || !keys.is_empty() {
                break;
            }
            continue;
        };
        let name = decoded(name);
        if name.is_empty() || value.is_empty() || keys.iter().any(|key| key.name == name) {
            if depth >= below {
                break;
            }
            let message =
                format!("{}: the directory '{}' names no column and value of its own", file.display(), directory.display());
            return Err(
                Error::new(Kind::InvalidArgument, "BAD_PARTITION", message).remedy("rename it, or give --no-partition-columns")
            );
        }
        keys.push(PartitionKey { name, raw: value.to_owned(), below: depth < below });
    }
    keys.reverse();
    Ok(keys)
}

/// The partition columns of files and their values.
pub(super) struct Partitions {
    pub(super) schema: SchemaRef,
    /// The values of each file as arrays of one row; `None` where its directories do not have the column.
    values: Vec<Vec<Option<ArrayRef>>>,
}

impl Partitions {
    /// The partition columns of files that contain the columns `inside`; a column of both is read from the file. Types are those in
    /// `declared`, else those that Spark infers. Directories that are not below the input are columns only where the model asks for them
    /// (`asked`).
    pub(super) fn of(files: &[InputFile], inside: &table::Table, declared: Option<&SchemaRef>, asked: &[String]) -> Result<Self> {
        let mut names: Vec<&str> = Vec::new();
        let asked: HashSet<&str> = asked.iter().map(String::as_str).collect();
        for key in files.iter().flat_map(|file| &file.keys).filter(|key| key.below || asked.contains(key.name.as_str())) {
            if !names.contains(&key.name.as_str()) {
                names.push(&key.name);
            }
        }
        let mut kept = Vec::with_capacity(names.len());
        for name in names {
            let Some(at) = inside.names.iter().position(|there| there == name) else {
                kept.push(name);
                continue;
            };
            let without = |(file, _): &(&InputFile, _)| file.keys.iter().any(|key| key.name == name);
            if let Some((file, _)) = files.iter().zip(&inside.places).filter(without).find(|(_, places)| places[at].is_none()) {
                let message =
                    format!("{}: the column is in the directory's name, and in other files themselves", file.path.display());
                return Err(Error::new(Kind::InvalidArgument, "BAD_PARTITION", message)
                    .column(name)
                    .remedy("give --no-partition-columns, or score such files in runs of their own"));
            }
        }
        let declared = table::by_name(declared);
        let (mut fields, mut values): (Vec<FieldRef>, _) = (Vec::new(), vec![Vec::with_capacity(kept.len()); files.len()]);
        for name in kept {
            let raw = |file: &InputFile| file.keys.iter().find(|key| key.name == name).map(|key| key.raw.clone());
            let raw: Vec<Option<String>> = files.iter().map(raw).collect();
            let kind = match declared.get(name) {
                Some(kind) => (*kind).clone(),
                None => inferred(raw.iter().flatten().map(String::as_str)),
            };
            for ((file, raw), values) in files.iter().zip(&raw).zip(&mut values) {
                let value = raw.as_deref().map(|raw| {
                    value(raw, &kind).ok_or_else(|| {
                        Error::new(
                            Kind::InvalidArgument,
                            "BAD_CELL",
                            format!("{}: the value in the directory's name does not parse", file.path.display()),
                        )
                        .column(name)
                        .expected(type_name(&kind))
                        .found(format!("'{}'", decoded(raw)))
                    })
                });
                values.push(value.transpose()?);
            }
            fields.push(Field::new(name, kind, true).into());
        }
        Ok(Self { schema: Schema::new(fields).into(), values })
    }

    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.schema.fields().len()
    }

    /// The value of a column for all rows of a file, as an array of one row; null where its directories do not have the column.
    pub(super) fn value(&self, file: usize, column: usize) -> ArrayRef {
        self.values[file][column].clone().unwrap_or_else(|| new_null_array(self.schema.field(column).data_type(), 1))
    }

    /// The schema of the columns at these indices.
    pub(super) fn picked(&self, columns: &[usize]) -> SchemaRef {
        Arc::new(Schema::new(columns.iter().map(|column| self.schema.field(*column).clone()).collect::<Vec<_>>()))
    }

    /// The columns at these indices for `rows` rows of a file; `None` for no columns.
    pub(super) fn batch(&self, file: usize, columns: &[usize], rows: usize) -> Result<Option<RecordBatch>> {
        if columns.is_empty() {
            return Ok(None);
        }
        let arrays = columns.iter().map(|column| repeat(&self.value(file, *column), rows)).collect::<Result<_>>()?;
        Ok(Some(RecordBatch::try_new(self.picked(columns), arrays)?))
    }

    /// Refuses a file whose directories lack a column that the model reads.
    pub(super) fn require_in_every_file(&self, column: usize, files: &[&Path]) -> Result<()> {
        let has = |file: usize| self.values[file][column].is_some();
        let (with, without) = ((0..files.len()).find(|file| has(*file)), (0..files.len()).find(|file| !has(*file)));
        match with.zip(without) {
            Some((with, without)) => Err(table::lacking(self.schema.field(column).name(), files[without], files[with])),
            None => Ok(()),
        }
    }
}

/// Repeats an array of one row.
pub(super) fn repeat(value: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    Ok(take(value, &UInt32Array::from(vec![0; rows]), None)?)
}

/// The value in a directory's name as an array of one row; `None` where it does not parse.
fn value(raw: &str, kind: &DataType) -> Option<ArrayRef> {
    let mut cells = ColumnBuilder::new(kind, false, 1)?;
    let text = decoded(raw);
    if raw == NULL {
        cells.push_null();
    } else if !cells.push_text(&text) && !java_double(&text).is_some_and(|number| cells.push_text(&number.to_string())) {
        return None;
    }
    cells.finish().ok().filter(|made| made.len() == 1)
}

/// Decodes a percent-encoded name or value; one that is not UTF-8 after that stays as it is.
fn decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
/// Whole numbers that do not fit 64 bits.
const DECIMAL: DataType = DataType::Decimal128(38, 0);

/// The type that Spark infers for these values.
fn inferred<'a>(raw: impl Iterator<Item = &'a str>) -> DataType {
    let joined = raw.filter(|raw| *raw != NULL).map(guess).reduce(wider);
    joined.unwrap_or(DataType::Utf8)
}

fn guess(raw: &str) -> DataType {
    if raw.parse::<i32>().is_ok() {
        return DataType::Int32;
    }
    if raw.parse::<i64>().is_ok() {
        return DataType::Int64;
    }
    let digits = raw.strip_prefix(['-', '+']).unwrap_or(raw);
    if (1..=38).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return DECIMAL;
    }
    if java_double(raw).is_some() {
        return DataType::Float64;
    }
    let text = decoded(raw);
    if is_timestamp(&text) {
        return TIMESTAMP;
    }
    if raw.len() == 10 && raw.as_bytes()[4] == b'-' && raw.as_bytes()[7] == b'-' && is_date(raw) {
        return DataType::Date32;
    }
    DataType::Utf8
}

/// What Java's `Double.parseDouble` reads, except hexadecimal numbers.
fn java_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !matches!(unsigned, "NaN" | "Infinity") && !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let number = if unsigned.starts_with(['N', 'I']) { text } else { text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text) };
    number.parse().ok()
}

/// Whether a text is `yyyy-MM-dd HH:mm:ss`, with or without one decimal place.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = matches!(bytes.len(), 19 | 21)
        && text.is_ascii()
        && bytes.iter().zip(b"0000-00-00 00:00:00.0").all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            like => byte == like,
        });
    shape && arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(text).is_ok()
}

/// Spark's wider type of two partition values.
fn wider(a: DataType, b: DataType) -> DataType {
    use DataType::{Date32, Float64, Int32, Int64};
    match (a, b) {
        (a, b) if a == b => a,
        (Int32, Int64) | (Int64, Int32) => Int64,
        (Int32, Float64) | (Float64, Int32) => Float64,
        (Int32 | Int64, DECIMAL) | (DECIMAL, Int32 | Int64) => DECIMAL,
        (Date32, TIMESTAMP) | (TIMESTAMP, Date32) => TIMESTAMP,
        // A long beside a double is text, because the double would lose digits.
        _ => DataType::Utf8,
    }
}

#[cfg(test)]
#[path = "partitions_tests.rs"]
mod tests;
