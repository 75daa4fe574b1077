//! Parses CSV records into typed columns; an error names the file, the line and the column.
//!
//! arrow-csv is not used, because it does not read `5.0` as an integer, applies one set of texts for missing values to columns of every
//! type (here a text column keeps `NA` as text), names no line of a bad cell, and does not tell where a record is in the text, which the
//! output repeats byte by byte. Where both read a file, they read the same values, which a test checks; floats are read five times as fast here
//! (`benches/RESULTS.md`).

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

/// Reads the header of a file that starts with `bytes`: the names and the header's length in bytes. `None` for an empty file. Without a
/// `delimiter` the names are separated by commas, and a header in which another character seems to separate them is refused.
pub(super) fn header(file: &str, bytes: &[u8], delimiter: Option<u8>) -> Result<Option<(Vec<String>, usize)>> {
    let start = byte_order_mark(bytes);
    let Some((names, size)) = names(file, bytes, start, delimiter.unwrap_or(b','))? else { return Ok(None) };
    if delimiter.is_none()
        && let [only] = names.as_slice()
    {
        for (other, shown) in [(b';', ";"), (b'\t', "tab"), (b'|', "|")] {
            let mut cells = CellReader::new(&bytes[start..size], other);
            if cells.record().is_some() && cells.width() > 1 {
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
    let mut cells = CellReader::new(bytes, delimiter);
    cells.advance(start);
    if cells.record().is_none() {
        return Ok(None);
    }
    let mut names: Vec<String> = Vec::new();
    loop {
        let name = str::from_utf8(cells.cell()).map_err(|_| not_utf8(&format!("{file}, line 1")))?;
        names.push(name.to_owned());
        if let Some(end) = cells.end() {
            let feed = bytes[end..].starts_with(b"\r\n");
            return Ok(Some((names, (end + 1 + usize::from(feed)).min(bytes.len()))));
        }
    }
}

/// Writes the cells of records in the order of `places`, as they are in the text; a cell that the file lacks is empty. Returns the new text
/// and where each record is in it.
pub(super) fn reorder(block: &Block, records: &[(u32, u32)], places: &[Option<usize>], delimiter: u8) -> (Vec<u8>, Spans) {
    let mut text = Vec::with_capacity(block.bytes.len() + records.len() * places.len());
    let (mut spans, mut cells) = (Vec::with_capacity(records.len()), Vec::new());
    for (start, end) in records {
        let record = &block.bytes[*start as usize..*end as usize];
        let mut reader = CellReader::new(record, delimiter);
        cells.clear();
        loop {
            let from = record.len() - reader.rest().len();
            reader.cell();
            cells.push(from..record.len() - reader.rest().len());
            if reader.end().is_some() {
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
        spans.push((from, text.len() as u32));
    }
    (text, spans)
}

/// Parses a block. `kinds` has one entry for each column of the file: the type to read it as, or `None` to skip it.
pub(super) fn parse(file: &str, block: &Block, names: &[String], kinds: &[Option<DataType>], delimiter: u8) -> Result<Parsed> {
    let mut columns = builders(file, block, names, kinds, false)?;
    let mut spans = Vec::with_capacity(row_estimate(block, names.len()));
    // The fast readers of numbers expect a comma after a cell.
    let plain = delimiter == b',';
    let mut cells = CellReader::new(&block.bytes, delimiter);
    while let Some(start) = cells.record() {
        let end = record(&mut cells, &mut columns, |cells, columns| {
            #[cfg(target_arch = "x86_64")]
            if plain && let count @ 1.. = vector::numbers(cells, columns) {
                return Ok(count);
            }
            let Some(Some(column)) = columns.first_mut() else {
                cells.cell();
                return Ok(1);
            };
            if plain && let Some(length) = column.push_start(cells.rest()) {
                cells.advance(length);
                return Ok(1);
            }
            let cell = str::from_utf8(cells.cell()).map_err(|_| Fault::NotUtf8)?;
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
        spans.push((start as u32, end as u32));
    }
    let columns = finish(columns, file, block, names, kinds, &spans)?;
    Ok(Parsed { columns, records: spans })
}

/// What is wrong with a record.
enum Fault {
    /// The record has this many cells, which is not the number of columns.
    Ragged(usize),
    NotUtf8,
    BadCell(String),
}

/// Reads one record. `each` is called with the reader at a cell and with the entries of `columns` from that cell's on; it must read or skip
/// at least one cell, without the separator after the last of them, and returns how many it read. Returns where the record ends, or the
/// index of the first bad cell and the fault. A wrong number of cells is reported instead of any other fault, because it explains the others.
fn record<T>(
    cells: &mut CellReader<'_>,
    columns: &mut [T],
    mut each: impl FnMut(&mut CellReader<'_>, &mut [T]) -> std::result::Result<usize, Fault>,
) -> std::result::Result<usize, (usize, Fault)> {
    let (count, mut whole) = (columns.len(), CellReader::new(cells.rest(), cells.delimiter()));
    let mut ragged = |other: Fault| match whole.width() {
        found if found == count => other,
        found => Fault::Ragged(found),
    };
    let mut index = 0;
    while index < count {
        index += each(cells, &mut columns[index..]).map_err(|fault| (index, ragged(fault)))?;
        if let Some(end) = cells.end() {
            return if index < count { Err((index, Fault::Ragged(index))) } else { Ok(end) };
        }
    }
    Err((count, Fault::Ragged(whole.width())))
}

/// Extends `types`, which has one entry for each column, so that they hold the values of a block.
pub(super) fn infer(file: &str, block: &Block, types: &mut [Option<DataType>], delimiter: u8) -> Result<()> {
    let mut cells = CellReader::new(&block.bytes, delimiter);
    let count = types.len();
    while let Some(start) = cells.record() {
        let outcome = record(&mut cells, types, |cells, kinds| {
            let Some(kind) = kinds.first_mut() else { return Ok(1) };
            // A number in a column of doubles, or any cell in a column of text, does not change the type.
            if delimiter == b','
                && *kind == Some(DataType::Float64)
                && let Some((_, length)) = numbers::float::<f64>(cells.rest())
            {
                cells.advance(length);
                return Ok(1);
            }
            let cell = cells.cell();
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
