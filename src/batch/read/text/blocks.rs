//! Reads text files in blocks of whole records, which many threads parse while only some of them are in memory.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use memchr::{memchr_iter, memrchr};

use super::{csv::scan::RecordScan, records::byte_order_mark};
use crate::batch::{
    compression::Compression,
    read::{Block, PartReader, Raw},
};
use crate::error::{Error, Kind, Result};

/// Longest record of a text file. A longer one most likely has a quote that is never closed.
const MAX_RECORD: usize = 16 << 20;

/// How records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Records {
    /// At a line end outside of quotes; this character separates the cells.
    Csv(u8),
    /// At a line end.
    Lines,
}

/// Reads a file block by block.
pub(super) struct BlockReader {
    bytes: Box<dyn Read + Send>,
    path: PathBuf,
    records: Records,
    /// Bytes of a block, about.
    size: usize,
    /// Bytes of the longest block.
    largest: usize,
    /// What was read after the last block.
    rest: Vec<u8>,
    /// Line that the next block starts with.
    line: u64,
    /// Whether the file was read to its end.
    ended: bool,
}

impl BlockReader {
    /// Reads from byte `offset` of the text, which starts a record on line `line`, in blocks of about `size` bytes. A compressed file
    /// is decompressed on the way.
    pub(super) fn open(path: &Path, records: Records, offset: u64, line: u64, size: usize) -> Result<Self> {
        let bytes = text_from(path, offset).map_err(|error| unreadable(path, error))?;
        let largest = MAX_RECORD.min(size.saturating_mul(32));
        Ok(Self { bytes, path: path.to_owned(), records, size, largest, rest: Vec::new(), line, ended: false })
    }

    /// The next block, none after the last.
    pub(super) fn block(&mut self) -> Result<Option<Block>> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut scan: Option<RecordScan> = None;
        loop {
            let want = if bytes.len() < self.size { self.size - bytes.len() } else { self.size };
            if !self.ended {
                bytes.reserve(want);
                let read = Read::by_ref(&mut self.bytes).take(want as u64).read_to_end(&mut bytes);
                self.ended = read.map_err(|error| unreadable(&self.path, error))? < want;
            }
            if self.ended {
                break;
            }
            let end = match self.records {
                Records::Csv(delimiter) => {
                    let start = if self.line == 1 { byte_order_mark(&bytes) } else { 0 };
                    scan.get_or_insert_with(|| RecordScan::from(start, delimiter)).run(&bytes)
                }
                Records::Lines => memrchr(b'\n', &bytes).map_or(0, |at| at + 1),
            };
            if end > 0 {
                self.rest = bytes[end..].to_vec();
                bytes.truncate(end);
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
        let lines = memchr_iter(b'\n', &bytes).count();
        self.line += lines as u64;
        Ok(Some(Block { bytes, first_line, lines }))
    }
}

/// The text of a file from byte `offset` on.
fn text_from(path: &Path, offset: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    let Some(compression) = Compression::split(path).0 else {
        file.seek(SeekFrom::Start(offset))?;
        return Ok(Box::new(file));
    };
    let mut text = compression.decompress(file)?;
    io::copy(&mut Read::by_ref(&mut text).take(offset), &mut io::sink())?;
    Ok(text)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    // What the system says of a file has a number; what a decoder says of its content has none.
    if Compression::split(path).0.is_none() || error.raw_os_error().is_some() {
        return Error::io(path, error);
    }
    let message = format!("{}: the file cannot be decompressed: {error}", path.display());
    Error::new(Kind::InvalidArgument, "COMPRESSED_FILE", message).source(error).remedy(
        "give it the name that says how it is compressed, make it anew where it was cut, or compress it with a shorter window",
    )
}

impl PartReader for BlockReader {
    fn estimate(&self) -> usize {
        self.size
    }

    fn next(&mut self) -> Result<Option<Raw>> {
        Ok(self.block()?.map(Raw::Text))
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
            let found = blocks(text, Records::Csv(b','), size.max(2));
            assert_eq!(found.iter().map(|(text, _)| text.as_str()).collect::<String>(), text);
            let mut line = 1;
            for (block, first) in found {
                assert_eq!(line, first);
                assert!(matches!(block.as_bytes()[0], b'1'..=b'4'), "{block:?}");
                line += block.matches('\n').count() as u64;
            }
        }
        assert_eq!(blocks("{}\n{}", Records::Lines, 3), [("{}\n".to_owned(), 1), ("{}".to_owned(), 2)]);
        assert!(blocks("", Records::Csv(b','), 8).is_empty());
        let marked = "\u{feff}\"a\nb\",c\n1,2\n3,4\n";
        assert_eq!(blocks(marked, Records::Csv(b','), 8), [(marked[..15].to_owned(), 1), ("3,4\n".to_owned(), 4)]);
    }

    #[test]
    fn a_quote_that_never_closes_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("1,\"{}", "x\n".repeat(1000))).unwrap();
        let mut reader = BlockReader::open(file.path(), Records::Csv(b','), 0, 2, 16).unwrap();
        let error = reader.block().err().unwrap();
        assert_eq!(error.code(), "RECORD_TOO_LONG");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
