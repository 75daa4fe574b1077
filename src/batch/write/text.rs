//! CSV and JSON lines files, and CSV on standard output.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use super::{Payload, Sink, direct::DirectFile, write_failed};
use crate::error::{Error, Kind, Result};

/// Bytes of text that are written at once.
const PIECE: usize = 2 << 20;

/// CSV or JSON lines.
pub(super) struct TextSink {
    out: DirectFile,
    path: PathBuf,
}

impl TextSink {
    /// Starts a file with `header`, written in pieces of at most `limit` bytes.
    pub(super) fn new(file: File, path: PathBuf, header: &[u8], limit: usize) -> Result<Self> {
        let mut sink = Self { out: DirectFile::new(file, limit.min(PIECE)), path };
        sink.append(header)?;
        Ok(sink)
    }

    fn append(&mut self, text: &[u8]) -> Result<()> {
        self.out.append(text).map_err(|error| write_failed(&self.path, error))
    }
}

impl Sink for TextSink {
    fn write(&mut self, _part: usize, payload: Payload) -> Result<()> {
        match payload {
            Payload::Text(text) => self.append(&text),
            Payload::Columns(_) => Err(Error::new(Kind::Internal, "PAYLOAD", "a text file was given columns")),
        }
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let path = self.path;
        self.out.finish().map_err(|error| write_failed(&path, error))
    }
}

/// CSV on standard output, written as it comes.
pub(super) struct StdoutSink<W>(pub(super) W);

impl<W: Write + Send> Sink for StdoutSink<W> {
    fn write(&mut self, _part: usize, payload: Payload) -> Result<()> {
        let Payload::Text(text) = payload else {
            return Err(Error::new(Kind::Internal, "PAYLOAD", "a text file was given columns"));
        };
        self.0.write_all(&text).map_err(|error| write_failed(Path::new("standard output"), error))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.0.flush().map_err(|error| write_failed(Path::new("standard output"), error))
    }
}
