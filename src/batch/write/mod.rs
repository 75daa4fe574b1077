//! Writing: from scored rows to output files that appear whole or not at all.
//!
//! The threads that score turn rows into a [`Payload`] (text or columns, as the [layout](layout::Layout) says); one thread hands
//! them to the [`Sink`] of the output file in the order of the rows. A [stage](stage::Stage) gives the output its name once all is written.

mod direct;
mod encode;
pub(super) mod layout;
mod parquet;
mod spill;
mod splice;
pub(super) mod stage;
pub(super) mod target;
mod text;
pub(super) mod writer;

use std::path::Path;

use ::parquet::errors::ParquetError;
use arrow::array::RecordBatch;
pub use stage::abandon;

use crate::error::{Error, Kind, Result};

/// The content of an output file for a batch of rows.
pub(super) enum Payload {
    /// Lines of CSV or JSON.
    Text(Vec<u8>),
    /// Columns that the writer of Parquet encodes.
    Columns(RecordBatch),
}

impl Payload {
    /// Bytes held until written.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.capacity(),
            Self::Columns(batch) => batch.get_array_memory_size(),
        }
    }
}

/// One output file.
pub(super) trait Sink: Send {
    /// Writes the next rows of `part`.
    fn write(&mut self, part: usize, payload: Payload) -> Result<()>;

    /// All rows of `part` were written.
    fn end_part(&mut self, _part: usize) -> Result<()> {
        Ok(())
    }

    /// Writes what is left and syncs the file.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// An error of writing to `path`; a full disk says so.
fn write_failed(path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
    let error = Error::io(path, error);
    if full { error.remedy("free space on the disk of the output, or write elsewhere") } else { error }
}

/// The same for a Parquet writer's error.
fn parquet_failed(path: &Path, error: ParquetError) -> Error {
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
