//! What the parsers of CSV and JSON share: the columns that a block of records fills, and the errors of bad values.

use arrow::{array::ArrayRef, datatypes::DataType};

use crate::{
    batch::read::{
        Block, Spans,
        values::{BadCell, ColumnBuilder, type_name},
    },
    error::{Error, Kind, Result},
};

/// What the records of a block are parsed into.
pub(super) struct Parsed {
    /// One column for each wanted column of the file.
    pub(super) columns: Vec<Option<ArrayRef>>,
    /// Where each record lies.
    pub(super) records: Spans,
}

/// The builders of the wanted columns. `json` allows types that only JSON can write.
pub(super) fn builders(
    file: &str,
    block: &Block,
    names: &[String],
    kinds: &[Option<DataType>],
    json: bool,
) -> Result<Vec<Option<ColumnBuilder>>> {
    let rows = row_estimate(block, names.len());
    let builder = |(name, kind): (&String, &Option<DataType>)| {
        let Some(kind) = kind else { return Ok(None) };
        ColumnBuilder::new(kind, json, rows).map(Some).ok_or_else(|| {
            Error::new(Kind::InvalidArgument, "TYPE_NOT_IN_CSV", format!("{file}: a CSV cell cannot hold a {kind}"))
                .column(name)
                .remedy("give Parquet or JSON lines")
        })
    };
    names.iter().zip(kinds).map(builder).collect()
}

/// About how many records a block has: no more than it has lines, and a byte for each cell.
pub(super) fn row_estimate(block: &Block, columns: usize) -> usize {
    block.lines.min(block.bytes.len() / columns.max(1))
}

/// Ends the columns of a block. An error that only shows here, such as a date that is none, gets its line.
pub(super) fn finish(
    builders: Vec<Option<ColumnBuilder>>,
    file: &str,
    block: &Block,
    names: &[String],
    kinds: &[Option<DataType>],
    records: &[(u32, u32)],
) -> Result<Vec<Option<ArrayRef>>> {
    let finish = |(index, builder): (usize, Option<ColumnBuilder>)| {
        builder.map(ColumnBuilder::finish).transpose().map_err(|BadCell { row, found }| {
            let start = records.get(row).map_or(0, |(start, _)| *start as usize);
            bad_cell(&format!("{file}, line {}", block.line(start)), &names[index], kinds[index].as_ref(), &found)
        })
    };
    builders.into_iter().enumerate().map(finish).collect()
}

/// The error of a cell that does not parse.
pub(super) fn bad_cell(place: &str, column: &str, kind: Option<&DataType>, found: &str) -> Error {
    Error::new(Kind::InvalidArgument, "BAD_CELL", format!("{place}: the cell does not parse"))
        .column(column)
        .expected(kind.map_or_else(|| "a value".to_owned(), type_name))
        .found(shortened(found))
}

/// A text cut to what fits a message.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// Length of the byte order mark at the start of a file; 0 where there is none.
pub(super) fn byte_order_mark(text: &[u8]) -> usize {
    if text.starts_with("\u{feff}".as_bytes()) { "\u{feff}".len() } else { 0 }
}
