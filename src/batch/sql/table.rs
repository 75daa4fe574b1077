//! The input files as DataFusion's table `input`.

use std::{pin::pin, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{SchemaBuilder, SchemaRef},
};
use datafusion::{
    catalog::streaming::StreamingTable,
    common::{DataFusionError, Result as DfResult},
    datasource::{
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchReceiverStreamBuilder, streaming::PartitionStream},
    prelude::SessionContext,
};
use futures::{Stream, TryStreamExt as _, stream};
use url::Url;

use super::errors::{external, failed};
use crate::{
    batch::{
        budget::Budget,
        format::Format,
        read::{
            self, Kept, PartReader, Raw, Source,
            files::{InputFile, InputFiles},
            options::ReadOptions,
            parquet::ParquetSource,
        },
    },
    error::{Error, Kind, Result},
};

/// Name of the table.
const TABLE: &str = "input";

/// Registers the files; the table's columns.
pub(super) async fn register(
    context: &SessionContext,
    inputs: &InputFiles,
    options: &ReadOptions<'_>,
    budget: &Budget,
) -> Result<SchemaRef> {
    let input = if inputs.format == Format::Parquet {
        let parquet = ParquetSource::plan(&inputs.files, options)?;
        if parquet.plain() {
            return listing(context, &inputs.files).await;
        }
        // DataFusion's reader would round values that do not fit the common type of a column.
        parquet.into_input()
    } else {
        read::plan(inputs, options)?
    };
    let mut schema = SchemaBuilder::new();
    if let Kept::Values(carried) = &input.kept {
        schema.extend(carried.fields().iter().cloned());
    }
    schema.extend(input.extra.fields().iter().cloned());
    let source = input.source;
    let schema = Arc::new(schema.finish());
    let partition = Arc::new(FilePartition { source, schema: schema.clone(), budget: *budget });
    let table = StreamingTable::try_new(schema.clone(), vec![partition]).map_err(failed)?;
    context.register_table(TABLE, Arc::new(table)).map_err(failed)?;
    Ok(schema)
}

/// Parquet files of one schema, read by DataFusion, which skips the columns and row groups that the query does not need.
async fn listing(context: &SessionContext, files: &[InputFile]) -> Result<SchemaRef> {
    let urls = files.iter().map(|file| url(&file.path)).collect::<Result<Vec<_>>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
    let config = config.infer_schema(&context.state()).await.map_err(failed)?;
    let table = ListingTable::try_new(config).map_err(failed)?;
    let schema = datafusion::catalog::TableProvider::schema(&table);
    context.register_table(TABLE, Arc::new(table)).map_err(failed)?;
    Ok(schema)
}

fn url(path: &std::path::Path) -> Result<ListingTableUrl> {
    let full = path.canonicalize().map_err(|error| Error::io(path, error))?;
    let url = Url::from_file_path(&full).map_err(|()| {
        Error::new(Kind::InvalidArgument, "BAD_PATH", format!("'{}' cannot be written as a URL", full.display()))
    })?;
    ListingTableUrl::try_new(url, None).map_err(failed)
}

/// Files that are read and typed as in a run without a query.
struct FilePartition {
    source: Arc<dyn Source>,
    schema: SchemaRef,
    budget: Budget,
}

impl std::fmt::Debug for FilePartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilePartition").field("files", &self.source.parts()).finish_non_exhaustive()
    }
}

impl PartitionStream for FilePartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), 2);
        let (sender, source, schema, budget) = (builder.tx(), self.source.clone(), self.schema.clone(), self.budget);
        builder.spawn(async move {
            let decode = |(part, raw)| {
                let source = source.clone();
                blocking(move || source.decode(part, raw))
            };
            // In parallel, but in the order of the input.
            let mut decoded = pin!(pieces(source.clone(), budget).map_ok(decode).try_buffered(budget.workers));
            while let Some(rows) = decoded.try_next().await? {
                let arrays = rows.columns.iter().chain(&rows.extra).flat_map(RecordBatch::columns).cloned().collect();
                let options = RecordBatchOptions::new().with_row_count(Some(rows.model.num_rows()));
                let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?;
                if sender.send(Ok(batch)).await.is_err() {
                    break;
                }
            }
            Ok(())
        });
        builder.build()
    }
}

/// The pieces of all parts in order, each with its part.
fn pieces(source: Arc<dyn Source>, budget: Budget) -> impl Stream<Item = DfResult<(usize, Raw)>> {
    stream::try_unfold((0, None), move |(mut part, mut reader): (usize, Option<Box<dyn PartReader>>)| {
        let source = source.clone();
        blocking(move || {
            while part < source.parts() {
                let mut open = match reader.take() {
                    Some(reader) => reader,
                    None => source.open(part, &budget)?,
                };
                match open.next()? {
                    Some(raw) => return Ok(Some(((part, raw), (part, Some(open))))),
                    None => part += 1,
                }
            }
            Ok(None)
        })
    })
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> DfResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?.map_err(external)
}
