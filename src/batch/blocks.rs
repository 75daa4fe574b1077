//! Text files cut into blocks of whole records, so that records are parsed on many threads and never all in memory.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::source::{Block, Lane, Raw};
use crate::error::{Error, Kind, Result};

/// Longest record of a text file. Past it the file most likely has a quote that never closes.
const MAX_RECORD: usize = 16 << 20;

/// How records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Records {
    /// At a line's end outside of quotes.
    Csv,
    /// At a line's end.
    Lines,
}

/// Reads a file block by block.
pub(super) struct BlockReader {
    file: File,
    path: PathBuf,
    records: Records,
    size: usize,
    largest: usize,
    rest: Vec<u8>,
    line: u64,
    ended: bool,
}

impl BlockReader {
    /// Reads from byte `offset`, which starts a record on line `line`, in blocks of about `size` bytes.
    pub(super) fn open(path: &Path, records: Records, offset: u64, line: u64, size: usize) -> Result<Self> {
        let mut file = File::open(path).map_err(|error| Error::io(path, error))?;
        file.seek(SeekFrom::Start(offset)).map_err(|error| Error::io(path, error))?;
        let largest = MAX_RECORD.min(size.saturating_mul(32));
        Ok(Self { file, path: path.to_owned(), records, size, largest, rest: Vec::new(), line, ended: false })
    }

    /// The next block, none after the last.
    pub(super) fn block(&mut self) -> Result<Option<Block>> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut scan = Scan::default();
        let mut scanned = 0;
        loop {
            let want = if bytes.len() < self.size { self.size - bytes.len() } else { self.size };
            if !self.ended {
                bytes.reserve(want);
                let read = Read::by_ref(&mut self.file).take(want as u64).read_to_end(&mut bytes);
                self.ended = read.map_err(|error| Error::io(&self.path, error))? < want;
            }
            scan.run(self.records, &bytes[scanned..], scanned);
            scanned = bytes.len();
            if self.ended {
                break;
            }
            if scan.end > 0 {
                self.rest = bytes[scan.end..].to_vec();
                bytes.truncate(scan.end);
                break;
            }
            if bytes.len() > self.largest {
                let message =
                    format!("{}, line {}: a record is longer than {} bytes", self.path.display(), self.line, self.largest);
                return Err(Error::new(Kind::ResourceExhausted, "RECORD_TOO_LONG", message)
                    .remedy("look for a quote that is not closed, or raise --memory-limit"));
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let first_line = self.line;
        self.line += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(Some(Block { bytes, first_line }))
    }
}

impl Lane for BlockReader {
    fn estimate(&self) -> usize {
        self.size
    }

    fn next(&mut self) -> Result<Option<Raw>> {
        Ok(self.block()?.map(Raw::Text))
    }
}

/// Finds where the last whole record ends.
#[derive(Default)]
struct Scan {
    state: State,
    end: usize,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    FieldStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

impl Scan {
    fn run(&mut self, records: Records, bytes: &[u8], base: usize) {
        if records == Records::Lines {
            if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
                self.end = base + at + 1;
            }
            return;
        }
        for (at, byte) in bytes.iter().enumerate() {
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::QuoteInQuoted,
                (State::Quoted, _) | (State::FieldStart | State::QuoteInQuoted, b'"') => State::Quoted,
                (_, b'\n') => {
                    self.end = base + at + 1;
                    State::FieldStart
                }
                (_, b',' | b'\r') => State::FieldStart,
                _ => State::Plain,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str, records: Records, size: usize) -> Vec<(String, u64)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut reader = BlockReader::open(file.path(), records, 0, 1, size).unwrap();
        let mut found = Vec::new();
        while let Some(block) = reader.block().unwrap() {
            found.push((String::from_utf8(block.bytes).unwrap(), block.first_line));
        }
        found
    }

    #[test]
    fn blocks_hold_whole_records() {
        let text = "1,\"a\nb\",x\n2,\"say \"\"hi\"\"\n\",y\n3,it\"s,z\n4,,\n";
        for size in 1..text.len() + 2 {
            let found = blocks(text, Records::Csv, size.max(2));
            assert_eq!(found.iter().map(|(text, _)| text.as_str()).collect::<String>(), text);
            let mut line = 1;
            for (block, first) in found {
                assert_eq!(line, first);
                assert!(matches!(block.as_bytes()[0], b'1'..=b'4'), "{block:?}");
                line += block.matches('\n').count() as u64;
            }
        }
        assert_eq!(blocks("{}\n{}", Records::Lines, 3), [("{}\n".to_owned(), 1), ("{}".to_owned(), 2)]);
        assert!(blocks("", Records::Csv, 8).is_empty());
    }

    #[test]
    fn a_quote_that_never_closes_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("1,\"{}", "x\n".repeat(1000))).unwrap();
        let mut reader = BlockReader::open(file.path(), Records::Csv, 0, 2, 16).unwrap();
        let error = reader.block().err().unwrap();
        assert_eq!(error.code(), "RECORD_TOO_LONG");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
