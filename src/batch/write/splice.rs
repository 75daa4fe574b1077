//! Parquet to Parquet without decoding: the input's column chunks are copied as bytes, and only predictions are encoded.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use ::parquet::{
    arrow::{
        ARROW_SCHEMA_META_KEY, ArrowSchemaConverter,
        arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves},
        encode_arrow_schema,
    },
    bloom_filter::Sbbf,
    column::writer::ColumnCloseResult,
    file::{
        metadata::KeyValue,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::Type,
};
use arrow::datatypes::{Schema, SchemaRef};

use super::{Payload, Sink, parquet::properties, parquet_failed, spill::PageSpill, write_failed};
use crate::batch::read::parquet::{ParquetFile, ParquetSource, unreadable};
use crate::error::{Error, Kind, Result};

/// Writes one output file from row groups of the input and predictions.
pub(super) struct SpliceSink {
    source: Arc<ParquetSource>,
    writer: SerializedFileWriter<File>,
    path: PathBuf,
    factory: ArrowRowGroupWriterFactory,
    prediction: SchemaRef,
    /// Encoders of the row group being scored.
    open: Option<Vec<ArrowColumnWriter>>,
    groups: usize,
    /// Whether page indexes are written, which either all column chunks of a file have or none.
    indexed: bool,
}

impl SpliceSink {
    /// Starts a file with the columns of `like` and those of `prediction`: partition columns and the prediction.
    pub(super) fn new(
        file: File,
        path: PathBuf,
        source: Arc<ParquetSource>,
        like: &ParquetFile,
        prediction: SchemaRef,
        scratch: &Path,
        limit: usize,
    ) -> Result<Self> {
        let fail = |error| parquet_failed(&path, error);
        let own = ArrowSchemaConverter::new().with_coerce_types(false).convert(&prediction).map_err(fail)?;
        let root = like.metadata.parquet_schema().root_schema();
        let mut fields = root.get_fields().to_vec();
        fields.extend(own.root_schema().get_fields().iter().cloned());
        let root = Type::group_type_builder(root.name()).with_fields(fields).build().map_err(fail)?;

        let known = like.metadata.metadata().file_metadata().key_value_metadata();
        let mut all: Vec<_> = like.metadata.schema().fields().to_vec();
        all.extend(prediction.fields().iter().cloned());
        let mut pairs: Vec<KeyValue> =
            known.into_iter().flatten().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY).cloned().collect();
        pairs.push(KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&Schema::new(all))));
        let properties = Arc::new(properties().into_builder().set_key_value_metadata(Some(pairs)).build());

        // Encoders are made by a writer of the added columns only, because the copied columns need none.
        let alone = SerializedFileWriter::new(std::io::sink(), own.root_schema_ptr(), properties.clone()).map_err(fail)?;
        let spill = PageSpill::new(scratch, limit);
        let factory = ArrowRowGroupWriterFactory::new(&alone, prediction.clone()).with_page_store_factory(spill);
        let writer = SerializedFileWriter::new(file, Arc::new(root), properties).map_err(fail)?;
        let indexed = source.files.iter().all(|file| indexed(file));
        Ok(Self { source, writer, path, factory, prediction, open: None, groups: 0, indexed })
    }

    fn encoders(&mut self) -> Result<&mut Vec<ArrowColumnWriter>> {
        if self.open.is_none() {
            let made = self.factory.create_column_writers(self.groups).map_err(|error| parquet_failed(&self.path, error))?;
            self.open = Some(made);
        }
        self.open.as_mut().ok_or_else(|| Error::new(Kind::Internal, "SPLICE", "no row group is open"))
    }
}

impl Sink for SpliceSink {
    fn write(&mut self, _part: usize, payload: Payload) -> Result<()> {
        let Payload::Columns(batch) = payload else {
            return Err(Error::new(Kind::Internal, "PAYLOAD", "a Parquet file was given text"));
        };
        let prediction = self.prediction.clone();
        let path = self.path.clone();
        let encoders = self.encoders()?.iter_mut();
        let mut leaves = Vec::new();
        for (field, column) in prediction.fields().iter().zip(batch.columns()) {
            leaves.extend(compute_leaves(field, column).map_err(|error| parquet_failed(&path, error))?);
        }
        for (encoder, leaf) in encoders.zip(&leaves) {
            encoder.write(leaf).map_err(|error| parquet_failed(&path, error))?;
        }
        Ok(())
    }

    fn end_part(&mut self, part: usize) -> Result<()> {
        self.encoders()?;
        let encoders = self.open.take().unwrap_or_default();
        let path = self.path.clone();
        let fail = |error| parquet_failed(&path, error);
        let (file, group) = self.source.group(part);
        let mut out = self.writer.next_row_group().map_err(fail)?;
        copy_group(&mut out, file, group, self.indexed, &path)?;
        for encoder in encoders {
            let mut chunk = encoder.close().map_err(fail)?;
            if !self.indexed {
                (chunk.close_mut().column_index, chunk.close_mut().offset_index) = (None, None);
            }
            chunk.append_to_row_group(&mut out).map_err(fail)?;
        }
        out.close().map_err(fail)?;
        self.groups += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.finish().map_err(|error| parquet_failed(&self.path, error))?;
        self.writer.inner().sync_all().map_err(|error| write_failed(&self.path, error))
    }
}

/// Copies every column chunk of a row group.
fn copy_group(
    out: &mut SerializedRowGroupWriter<'_, File>,
    file: &ParquetFile,
    group: usize,
    indexed: bool,
    target: &Path,
) -> Result<()> {
    let input = File::open(&file.path).map_err(|error| Error::io(&file.path, error))?;
    let metadata = file.metadata.metadata();
    let row_group = metadata.row_group(group);
    for (index, column) in row_group.columns().iter().enumerate() {
        let bloom_filter = Sbbf::read_from_column_chunk(column, &input).map_err(|error| unreadable(&file.path, error))?;
        let close = ColumnCloseResult {
            bytes_written: column.compressed_size().max(0) as u64,
            rows_written: row_group.num_rows().max(0) as u64,
            metadata: column.clone(),
            bloom_filter,
            column_index: metadata.column_index().filter(|_| indexed).and_then(|groups| groups.get(group)?.get(index)).cloned(),
            offset_index: metadata.offset_index().filter(|_| indexed).and_then(|groups| groups.get(group)?.get(index)).cloned(),
        };
        out.append_column(&input, close).map_err(|error| parquet_failed(target, error))?;
    }
    Ok(())
}

/// Whether every column chunk of a file has a page index.
fn indexed(file: &ParquetFile) -> bool {
    let metadata = file.metadata.metadata();
    let full = |count: Option<usize>| count == Some(metadata.num_row_groups());
    metadata.num_row_groups() == 0 || (full(metadata.offset_index().map(Vec::len)) && full(metadata.column_index().map(Vec::len)))
}
