//! CSV records into typed columns, with the file, line and column of whatever is wrong.
//!
//! Not arrow-csv: that reads `5.0` as no integer, takes its texts for missing values in every column alike (here text columns keep
//! theirs), and gives no record's own text, which the output repeats byte by byte.

pub(super) mod cells;
pub(super) mod scan;
#[cfg(target_arch = "x86_64")]
mod vector;

use arrow::datatypes::DataType;

use cells::CellReader;

use super::records::{Parsed, bad_cell, builders, byte_order_mark, finish, row_estimate, shortened};
use crate::{
    batch::read::{
        Block, Spans,
        table::distinct,
        values::{guess, join, numbers},
    },
    error::{Error, Kind, Result},
};

/// The header of a file that starts with `bytes`: its names and how many bytes it takes. `None` for an empty file. Without a `delimiter`
/// commas separate the names, and a header that another character seems to separate is refused.
pub(in crate::batch) fn header(file: &str, bytes: &[u8], delimiter: Option<u8>) -> Result<Option<(Vec<String>, usize)>> {
    let start = byte_order_mark(bytes);
    let Some((names, size)) = names(file, bytes, start, delimiter.unwrap_or(b','))? else { return Ok(None) };
    if delimiter.is_none()
        && let [only] = names.as_slice()
    {
        for (other, shown) in [(b';', ";"), (b'\t', "tab"), (b'|', "|")] {
            let mut fields = CellReader::new(&bytes[start..size], other);
            if fields.record().is_some() && fields.width() > 1 {
                return Err(Error::new(
                    Kind::InvalidArgument,
                    "DELIMITER",
                    format!("{file}: '{shown}' seems to separate the columns, not ','"),
                )
                .expected("names separated by ','")
                .found(format!("'{}'", shortened(only)))
                .remedy(format!("give --delimiter '{shown}', or --delimiter ',' where that is one column's name")));
            }
        }
    }
    distinct(file.as_ref(), names.iter().map(String::as_str))?;
    Ok(Some((names, size)))
}

fn names(file: &str, bytes: &[u8], start: usize, delimiter: u8) -> Result<Option<(Vec<String>, usize)>> {
    let mut fields = CellReader::new(bytes, delimiter);
    fields.advance(start);
    if fields.record().is_none() {
        return Ok(None);
    }
    let mut names: Vec<String> = Vec::new();
    loop {
        let name = str::from_utf8(fields.cell()).map_err(|_| not_utf8(&format!("{file}, line 1")))?;
        names.push(name.to_owned());
        if let Some(end) = fields.end() {
            let feed = bytes[end..].starts_with(b"\r\n");
            return Ok(Some((names, (end + 1 + usize::from(feed)).min(bytes.len()))));
        }
    }
}

/// The records' own cells in another order, those that a file lacks empty; and where the records then lie.
pub(in crate::batch) fn reorder(
    block: &Block,
    records: &[(u32, u32)],
    places: &[Option<usize>],
    delimiter: u8,
) -> (Vec<u8>, Spans) {
    let mut text = Vec::with_capacity(block.bytes.len() + records.len() * places.len());
    let (mut lies, mut cells) = (Vec::with_capacity(records.len()), Vec::new());
    for (start, end) in records {
        let record = &block.bytes[*start as usize..*end as usize];
        let mut fields = CellReader::new(record, delimiter);
        cells.clear();
        loop {
            let from = record.len() - fields.rest().len();
            fields.cell();
            cells.push(from..record.len() - fields.rest().len());
            if fields.end().is_some() {
                break;
            }
        }
        let from = text.len() as u32;
        for (at, place) in places.iter().enumerate() {
            if at > 0 {
                text.push(delimiter);
            }
            if let Some(cell) = place.and_then(|place| cells.get(place)) {
                text.extend_from_slice(&record[cell.clone()]);
            }
        }
        lies.push((from, text.len() as u32));
    }
    (text, lies)
}

/// Parses a block. `kinds` has an entry a column of the file: the type to read it as, or `None` to skip it.
pub(in crate::batch) fn parse(
    file: &str,
    block: &Block,
    names: &[String],
    kinds: &[Option<DataType>],
    delimiter: u8,
) -> Result<Parsed> {
    let mut columns = builders(file, block, names, kinds, false)?;
    let mut lies = Vec::with_capacity(row_estimate(block, names.len()));
    // Numbers are read straight from the text where a comma ends them.
    let plain = delimiter == b',';
    let mut fields = CellReader::new(&block.bytes, delimiter);
    while let Some(start) = fields.record() {
        let end = record(&mut fields, &mut columns, |fields, columns| {
            #[cfg(target_arch = "x86_64")]
            if plain && let count @ 1.. = vector::numbers(fields, columns) {
                return Ok(count);
            }
            let Some(Some(column)) = columns.first_mut() else {
                fields.cell();
                return Ok(1);
            };
            if plain && let Some(length) = column.push_start(fields.rest()) {
                fields.advance(length);
                return Ok(1);
            }
            let cell = str::from_utf8(fields.cell()).map_err(|_| Fault::NotUtf8)?;
            if column.push_text(cell) { Ok(1) } else { Err(Fault::BadCell(cell.to_owned())) }
        });
        let end = end.map_err(|(index, fault)| {
            let place = format!("{file}, line {}", block.line(start));
            match fault {
                Fault::Ragged(found) => ragged(&place, found, names.len()),
                Fault::NotUtf8 => not_utf8(&place).column(&names[index]),
                Fault::BadCell(cell) => bad_cell(&place, &names[index], kinds[index].as_ref(), &format!("'{cell}'")),
            }
        })?;
        lies.push((start as u32, end as u32));
    }
    let columns = finish(columns, file, block, names, kinds, &lies)?;
    Ok(Parsed { columns, records: lies })
}

/// What is wrong with a record.
enum Fault {
    /// It has this many cells instead of one a column.
    Ragged(usize),
    NotUtf8,
    BadCell(String),
}

/// Calls `each` for the cells of a record with what is kept of their columns, from the next on; it must take one or more of them, with
/// what ends all but the last, or go past them, and says how many. Returns where the record ends, or the first cell at fault. That the
/// number of cells is wrong explains whatever else is.
fn record<T>(
    fields: &mut CellReader<'_>,
    columns: &mut [T],
    mut each: impl FnMut(&mut CellReader<'_>, &mut [T]) -> std::result::Result<usize, Fault>,
) -> std::result::Result<usize, (usize, Fault)> {
    let (count, mut whole) = (columns.len(), CellReader::new(fields.rest(), fields.delimiter()));
    let mut ragged = |other: Fault| match whole.width() {
        found if found == count => other,
        found => Fault::Ragged(found),
    };
    let mut index = 0;
    while index < count {
        index += each(fields, &mut columns[index..]).map_err(|fault| (index, ragged(fault)))?;
        if let Some(end) = fields.end() {
            return if index < count { Err((index, Fault::Ragged(index))) } else { Ok(end) };
        }
    }
    Err((count, Fault::Ragged(whole.width())))
}

/// Joins what the cells of a block look like into `types`, one entry a column.
pub(in crate::batch) fn infer(file: &str, block: &Block, types: &mut [Option<DataType>], delimiter: u8) -> Result<()> {
    let mut fields = CellReader::new(&block.bytes, delimiter);
    let count = types.len();
    while let Some(start) = fields.record() {
        let outcome = record(&mut fields, types, |fields, kinds| {
            let Some(kind) = kinds.first_mut() else { return Ok(1) };
            // One more number among doubles, and any cell among texts, tells nothing new.
            if delimiter == b','
                && *kind == Some(DataType::Float64)
                && let Some((_, length)) = numbers::float::<f64>(fields.rest())
            {
                fields.advance(length);
                return Ok(1);
            }
            let cell = fields.cell();
            if *kind != Some(DataType::Utf8) {
                let cell = str::from_utf8(cell).map_err(|_| Fault::NotUtf8)?;
                *kind = join(kind.take(), guess(cell));
            }
            Ok(1)
        });
        outcome.map_err(|(_, fault)| {
            let place = format!("{file}, line {}", block.line(start));
            match fault {
                Fault::Ragged(found) => ragged(&place, found, count),
                Fault::NotUtf8 | Fault::BadCell(_) => not_utf8(&place),
            }
        })?;
    }
    Ok(())
}

fn ragged(place: &str, found: usize, expected: usize) -> Error {
    Error::new(Kind::InvalidArgument, "RAGGED_CSV", format!("{place}: the record and the header differ in fields"))
        .expected(expected)
        .found(found)
}

fn not_utf8(place: &str) -> Error {
    Error::new(Kind::InvalidArgument, "NOT_UTF8", format!("{place}: the text is not UTF-8"))
}

#[cfg(test)]
mod tests;
