//! Parquet files whose columns are all encoded here.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use ::parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::Compression,
    file::properties::{EnabledStatistics, WriterProperties},
};
use arrow::datatypes::SchemaRef;

use super::{Payload, Sink, parquet_failed, spill::PageSpill, write_failed};
use crate::error::{Error, Kind, Result};

/// Rows of a row group, at most.
const GROUP_ROWS: usize = 1 << 20;

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
    /// Starts a file that keeps about `limit` bytes of encoded pages in memory, and more of them in a file in `scratch`.
    pub(super) fn new(file: File, path: PathBuf, schema: &SchemaRef, scratch: &Path, limit: usize) -> Result<Self> {
        let spill = PageSpill::new(scratch, limit / 2);
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
            // Each column also holds a page that is not finished yet, so wide tables get smaller row groups.
            if self.writer.memory_size() > self.limit { self.writer.flush() } else { Ok(()) }
        });
        written.map_err(|error| parquet_failed(&self.path, error))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.finish().map_err(|error| parquet_failed(&self.path, error))?;
        self.writer.inner().sync_all().map_err(|error| write_failed(&self.path, error))
    }
}
