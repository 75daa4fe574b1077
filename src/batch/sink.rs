//! Output files, written by one thread in the order of the rows.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::datatypes::SchemaRef;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::Compression,
    errors::ParquetError,
    file::properties::{EnabledStatistics, WriterProperties},
};

use super::{direct::DirectFile, encode::Payload, spill::Spill};
use crate::error::{Error, Kind, Result};

/// Rows of a row group that mlflight makes itself.
const GROUP_ROWS: usize = 1 << 20;

/// Bytes of text that are written at once.
const PIECE: usize = 2 << 20;

/// One output file.
pub(super) trait Sink: Send {
    /// Writes the next rows of `part`.
    fn write(&mut self, part: usize, payload: Payload) -> Result<()>;

    /// All rows of `part` were written.
    fn end_part(&mut self, _part: usize) -> Result<()> {
        Ok(())
    }

    /// Writes what is left and makes the file last.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// An error of writing to `path`; a full disk says so.
pub(super) fn write_failed(path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
    let error = Error::io(path, error);
    if full { error.remedy("free space on the disk of the output, or write elsewhere") } else { error }
}

/// The same for a Parquet writer's error.
pub(super) fn parquet_failed(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(error) => write_failed(path, *error),
            Err(inner) => failed(path, ParquetError::External(inner)),
        },
        other => failed(path, other),
    }
}

fn failed(path: &Path, error: ParquetError) -> Error {
    Error::new(Kind::FailedPrecondition, "WRITE_FAILED", format!("{}: {error}", path.display())).source(error)
}

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

/// A Parquet file encoded column by column.
pub(super) struct ParquetSink {
    writer: ArrowWriter<File>,
    path: PathBuf,
    limit: usize,
}

/// How mlflight writes Parquet.
pub(super) fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(concat!("mlflight version ", env!("CARGO_PKG_VERSION")).into())
        .build()
}

impl ParquetSink {
    /// Starts a file that holds about `limit` bytes of encoded pages in memory, more of them in `scratch`.
    pub(super) fn new(file: File, path: PathBuf, schema: &SchemaRef, scratch: &Path, limit: usize) -> Result<Self> {
        let spill = Spill::new(scratch, limit / 2);
        let options = ArrowWriterOptions::new().with_properties(properties()).with_page_store_factory(spill as Arc<_>);
        let writer =
            ArrowWriter::try_new_with_options(file, schema.clone(), options).map_err(|error| parquet_failed(&path, error))?;
        Ok(Self { writer, path, limit })
    }
}

impl Sink for ParquetSink {
    fn write(&mut self, _part: usize, payload: Payload) -> Result<()> {
        let Payload::Columns(batch) = payload else {
            return Err(Error::new(Kind::Internal, "PAYLOAD", "a Parquet file was given text"));
        };
        let written = self.writer.write(&batch).and_then(|()| {
            // Beside finished pages each column has one in the making: wide tables get smaller row groups.
            if self.writer.memory_size() > self.limit { self.writer.flush() } else { Ok(()) }
        });
        written.map_err(|error| parquet_failed(&self.path, error))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.finish().map_err(|error| parquet_failed(&self.path, error))?;
        self.writer.inner().sync_all().map_err(|error| write_failed(&self.path, error))
    }
}
