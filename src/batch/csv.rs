//! CSV records into typed columns, with the file, line and column of whatever is wrong.
//!
//! Not arrow-csv: that reads `5.0` as no integer, takes its texts for missing values in every column alike (here text columns keep
//! theirs), and gives no record's own text, which the output repeats byte by byte.

use arrow::datatypes::DataType;

use super::{
    cells::{BadCell, Cells, guess, join, type_name},
    source::Block,
};
use crate::error::{Error, Kind, Result};

/// Calls `each` with every record of `bytes`: where it lies and its fields.
pub(super) fn records(bytes: &[u8], mut each: impl FnMut(usize, usize, &Fields) -> Result<()>) -> Result<()> {
    let mut reader = csv_core::Reader::new();
    let mut fields = Fields { text: vec![0; 4096], ends: vec![0; 64], count: 0 };
    let (mut at, mut start, mut written) = (0, 0, 0);
    loop {
        let (result, read, wrote, ended) =
            reader.read_record(&bytes[at..], &mut fields.text[written..], &mut fields.ends[fields.count..]);
        at += read;
        written += wrote;
        fields.count += ended;
        match result {
            csv_core::ReadRecordResult::InputEmpty => {}
            csv_core::ReadRecordResult::OutputFull => fields.text.resize(fields.text.len() * 2, 0),
            csv_core::ReadRecordResult::OutputEndsFull => fields.ends.resize(fields.ends.len() * 2, 0),
            csv_core::ReadRecordResult::Record => {
                // The reader takes blank lines and the second half of a line's end with the record that follows.
                while start < at && matches!(bytes[start], b'\r' | b'\n') {
                    start += 1;
                }
                let mut end = at;
                while end > start && matches!(bytes[end - 1], b'\r' | b'\n') {
                    end -= 1;
                }
                each(start, end, &fields)?;
                (start, written, fields.count) = (at, 0, 0);
            }
            csv_core::ReadRecordResult::End => return Ok(()),
        }
    }
}

/// The fields of one record.
pub(super) struct Fields {
    text: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

impl Fields {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// One field; `None` when it is not UTF-8.
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        std::str::from_utf8(&self.text[start..self.ends[index]]).ok()
    }
}

/// The header of a file that starts with `bytes`: its names and how many bytes it takes. `None` for an empty file.
pub(super) fn header(file: &str, bytes: &[u8]) -> Result<Option<(Vec<String>, usize)>> {
    let mut found = None;
    let stop = || Error::new(Kind::Cancelled, "STOP", "");
    // The end of the header is where the next record starts; a header alone ends with the file.
    let mut names: Option<Vec<Option<String>>> = None;
    let mut first_end = 0;
    let outcome = records(bytes, |_, end, fields| {
        names = Some((0..fields.len()).map(|index| fields.get(index).map(str::to_owned)).collect());
        first_end = end;
        Err(stop())
    });
    if let (Err(_), Some(names)) = (outcome, names) {
        let names = names.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| not_utf8(&format!("{file}, line 1")))?;
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(Error::new(
                    Kind::InvalidArgument,
                    "DUPLICATE_COLUMN",
                    format!("{file}: the header has the name twice"),
                )
                .column(name));
            }
        }
        let after = bytes[first_end..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| first_end + at + 1);
        found = Some((names, after));
    }
    Ok(found)
}

/// What the records of a block are parsed into.
pub(super) struct Parsed {
    /// One column for each wanted column of the file.
    pub(super) columns: Vec<Option<arrow::array::ArrayRef>>,
    /// Where each record lies.
    pub(super) records: Vec<(u32, u32)>,
}

/// Parses a block. `kinds` has an entry a column of the file: the type to read it as, or `None` to skip it.
pub(super) fn parse(file: &str, block: &Block, names: &[String], kinds: &[Option<DataType>]) -> Result<Parsed> {
    let mut columns: Vec<Option<Cells>> =
        names.iter().zip(kinds).map(|(name, kind)| cells(file, name, kind.as_ref(), false)).collect::<Result<_>>()?;
    let mut lies = Vec::new();
    records(&block.bytes, |start, end, fields| {
        let place = || format!("{file}, line {}", block.line(start));
        if fields.len() != names.len() {
            return Err(ragged(&place(), fields.len(), names.len()));
        }
        for (index, column) in columns.iter_mut().enumerate() {
            let Some(column) = column else { continue };
            let cell = fields.get(index).ok_or_else(|| not_utf8(&place()).column(&names[index]))?;
            if !column.push_text(cell) {
                return Err(bad_cell(&place(), &names[index], kinds[index].as_ref(), &format!("'{cell}'")));
            }
        }
        lies.push((start as u32, end as u32));
        Ok(())
    })?;
    let columns = finish(columns, file, block, names, kinds, &lies)?;
    Ok(Parsed { columns, records: lies })
}

/// Ends the columns of a block; what only the end can tell (a date that is none) gets its line here.
pub(super) fn finish(
    columns: Vec<Option<Cells>>,
    file: &str,
    block: &Block,
    names: &[String],
    kinds: &[Option<DataType>],
    records: &[(u32, u32)],
) -> Result<Vec<Option<arrow::array::ArrayRef>>> {
    let finish = |(index, column): (usize, Option<Cells>)| {
        column.map(Cells::finish).transpose().map_err(|BadCell { row, found }| {
            let start = records.get(row).map_or(0, |(start, _)| *start as usize);
            bad_cell(&format!("{file}, line {}", block.line(start)), &names[index], kinds[index].as_ref(), &found)
        })
    };
    columns.into_iter().enumerate().map(finish).collect()
}

/// The builder of a wanted column.
pub(super) fn cells(file: &str, name: &str, kind: Option<&DataType>, json: bool) -> Result<Option<Cells>> {
    let Some(kind) = kind else { return Ok(None) };
    Cells::new(kind, json).map(Some).ok_or_else(|| {
        Error::new(Kind::InvalidArgument, "TYPE_NOT_IN_CSV", format!("{file}: a CSV cell cannot hold a {kind}"))
            .column(name)
            .remedy("give Parquet or JSON lines")
    })
}

/// Joins what the cells of a block look like into `types`, one entry a column.
pub(super) fn infer(file: &str, block: &Block, types: &mut [Option<DataType>]) -> Result<()> {
    records(&block.bytes, |start, _, fields| {
        let place = || format!("{file}, line {}", block.line(start));
        if fields.len() != types.len() {
            return Err(ragged(&place(), fields.len(), types.len()));
        }
        for (index, kind) in types.iter_mut().enumerate() {
            if kind.as_ref() != Some(&DataType::Utf8) {
                let cell = fields.get(index).ok_or_else(|| not_utf8(&place()))?;
                *kind = join(kind.take(), guess(cell));
            }
        }
        Ok(())
    })
}

fn ragged(place: &str, found: usize, expected: usize) -> Error {
    Error::new(Kind::InvalidArgument, "RAGGED_CSV", format!("{place}: the record and the header differ in fields"))
        .expected(expected)
        .found(found)
}

fn not_utf8(place: &str) -> Error {
    Error::new(Kind::InvalidArgument, "NOT_UTF8", format!("{place}: the text is not UTF-8"))
}

/// The error of a cell that does not parse.
pub(super) fn bad_cell(place: &str, column: &str, kind: Option<&DataType>, found: &str) -> Error {
    let found = match found.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", &found[..cut]),
        None => found.to_owned(),
    };
    Error::new(Kind::InvalidArgument, "BAD_CELL", format!("{place}: the cell does not parse"))
        .column(column)
        .expected(kind.map_or_else(|| "a value".to_owned(), type_name))
        .found(found)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    fn block(text: &str) -> Block {
        Block { bytes: text.as_bytes().to_vec(), first_line: 2 }
    }

    #[test]
    fn quoted_cells_and_line_numbers() {
        let names = ["a".to_owned(), "b".to_owned()];
        let kinds = [Some(DataType::Utf8), Some(DataType::Int32)];
        let text = "\"x\n,\"\"y\",1\r\n\r\nz,\"2\"\r\n,";
        let parsed = parse("f.csv", &block(text), &names, &kinds).unwrap();
        let words = parsed.columns[0].as_ref().unwrap().as_string::<i32>();
        assert_eq!((words.value(0), words.value(1), words.is_null(2)), ("x\n,\"y", "z", true));
        assert_eq!(parsed.columns[1].as_ref().unwrap().null_count(), 1);
        let lies: Vec<_> = parsed.records.iter().map(|(start, end)| &text[*start as usize..*end as usize]).collect();
        assert_eq!(lies, ["\"x\n,\"\"y\",1", "z,\"2\"", ","]);

        let error = parse("f.csv", &block("\"x\ny\",1\nz,two\n"), &names, &kinds).err().unwrap();
        assert_eq!(error.to_string(), "column 'b': f.csv, line 4: the cell does not parse: expected integer, found 'two'");
        let error = parse("f.csv", &block("x,1\nz\n"), &names, &kinds).err().unwrap();
        assert_eq!((error.code(), error.message().contains("line 3")), ("RAGGED_CSV", true));
    }

    #[test]
    fn headers() {
        let (names, size) = header("f", b"\xef\xbb\xbfa,\"b\nc\"\r\n1,2\n").unwrap().unwrap();
        assert_eq!((names, size), (vec!["a".to_owned(), "b\nc".to_owned()], 12));
        assert_eq!(header("f", b"a,b").unwrap().unwrap().1, 3);
        assert!(header("f", b"").unwrap().is_none());
        assert_eq!(header("f", b"a,a\n").unwrap_err().code(), "DUPLICATE_COLUMN");
    }
}
