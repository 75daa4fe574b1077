//! Parses JSON lines into typed columns; an error names the file, the line and the column.
//!
//! arrow-json reads only nested values here, because it names no line or column in its errors, rounds whole numbers beyond 2^53 to the nearest
//! double, takes an object that has a key twice, and does not tell where a record is in the text, which the output repeats byte by byte.

use arrow::datatypes::DataType;
use serde_json::{Map, Value};

use super::records::{Parsed, bad_cell, builders, byte_order_mark, finish};
use crate::batch::read::{Block, name_taken};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::json,
};

/// Calls `each` with every object of a block and the first and last byte of its text.
pub(super) fn objects(
    file: &str,
    block: &Block,
    mut each: impl FnMut(usize, usize, Map<String, Value>) -> Result<()>,
) -> Result<()> {
    let mut start = 0;
    for (number, line) in block.bytes.split(|byte| *byte == b'\n').enumerate() {
        let end = start + line.len();
        // A byte order mark may precede the first object of a file.
        let mark = if start == 0 && block.first_line == 1 { byte_order_mark(line) } else { 0 };
        let (line, first) = (&line[mark..], start + mark);
        let blank = line.iter().all(u8::is_ascii_whitespace);
        if !blank {
            let place = || format!("{file}, line {}", block.first_line + number as u64);
            let wrong = |why: String| {
                Error::new(Kind::InvalidArgument, "BAD_JSON", format!("{}: not a JSON object{why}", place()))
                    .remedy("JSON input is one object a line")
            };
            let text = std::str::from_utf8(line).map_err(|error| wrong(format!(": {error}")))?;
            let value = json::parse_strict(text).map_err(|refused| match refused {
                json::Refused::Twice(key) => {
                    let message = format!("{}: an object has the key twice", place());
                    Error::new(Kind::InvalidArgument, "DUPLICATE_COLUMN", message)
                        .column(key)
                        .remedy("rename or drop one of them")
                }
                json::Refused::Syntax(error) => wrong(format!(": {error}")),
            })?;
            let Value::Object(object) = value else { return Err(wrong(String::new())) };
            let trimmed = end - line.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
            each(first, trimmed, object)?;
        }
        start = end + 1;
    }
    Ok(())
}

/// Parses a block. `kinds` has one entry for each column: the type to read it as, or `None` to skip it. `reserved` are names that the output
/// adds, which no object may have.
pub(super) fn parse(
    file: &str,
    block: &Block,
    names: &[String],
    kinds: &[Option<DataType>],
    reserved: &[String],
) -> Result<Parsed> {
    let mut columns = builders(file, block, names, kinds, true)?;
    let mut spans = Vec::new();
    objects(file, block, |start, end, object| {
        let place = || format!("{file}, line {}", block.line(start));
        if let Some(name) = reserved.iter().find(|name| object.contains_key(name.as_str())) {
            return Err(name_taken(name).context(place()));
        }
        for (index, column) in columns.iter_mut().enumerate() {
            let Some(column) = column else { continue };
            match object.get(&names[index]) {
                None => column.push_null(),
                Some(value) => {
                    if !column.push_json(value) {
                        return Err(bad_cell(&place(), &names[index], kinds[index].as_ref(), &value.to_string()));
                    }
                }
            }
        }
        spans.push((start as u32, end as u32));
        Ok(())
    })?;
    let columns = finish(columns, file, block, names, kinds, &spans)?;
    Ok(Parsed { columns, records: spans })
}
