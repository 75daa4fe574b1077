//! The result of a query as a source of rows.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt as _;

use super::errors::failed;
use crate::{
    batch::{
        budget::Budget,
        read::{PartReader, Raw, Rows, Source},
    },
    error::{Error, Kind, Result},
    score::CancelFlag,
};

/// How often a query that gives no rows is asked whether it is still wanted.
const TICK: Duration = Duration::from_millis(200);

/// A query's result as a source of one part.
pub(super) struct QuerySource {
    pub(super) runtime: Arc<tokio::runtime::Runtime>,
    pub(super) stream: Mutex<Option<SendableRecordBatchStream>>,
    /// The columns of the result that the model reads, under its names, and where they are in the result.
    pub(super) model: SchemaRef,
    pub(super) columns: Vec<usize>,
    /// Bytes of one row of the result, about.
    pub(super) row_bytes: usize,
    pub(super) cancel: CancelFlag,
}

impl Source for QuerySource {
    fn parts(&self) -> usize {
        1
    }

    fn file(&self, _part: usize) -> String {
        "the query's result".into()
    }

    fn open(&self, _part: usize, budget: &Budget) -> Result<Box<dyn PartReader>> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stream = stream.ok_or_else(|| Error::new(Kind::Internal, "QUERY_TWICE", "the query was run twice"))?;
        let bytes = budget.rows(256).max(1024) * self.row_bytes;
        Ok(Box::new(QueryReader {
            runtime: self.runtime.clone(),
            stream,
            model: self.model.clone(),
            columns: self.columns.clone(),
            row: 0,
            bytes,
            cancel: self.cancel.clone(),
        }))
    }

    fn decode(&self, _part: usize, raw: Raw) -> Result<Rows> {
        let Raw::Batch { model, carried, first_row } = raw else {
            return Err(Error::new(Kind::Internal, "RAW_KIND", "a query gave text"));
        };
        Ok(Rows { model, columns: carried, extra: None, text: None, reordered: None, first_row })
    }

    fn model_schema(&self) -> &SchemaRef {
        &self.model
    }

    fn total_rows(&self) -> Option<u64> {
        None
    }

    fn total_bytes(&self) -> u64 {
        0
    }
}

struct QueryReader {
    runtime: Arc<tokio::runtime::Runtime>,
    stream: SendableRecordBatchStream,
    model: SchemaRef,
    columns: Vec<usize>,
    row: u64,
    bytes: usize,
    cancel: CancelFlag,
}

impl PartReader for QueryReader {
    fn estimate(&self) -> usize {
        self.bytes
    }

    fn next(&mut self) -> Result<Option<Raw>> {
        let next = async {
            loop {
                match tokio::time::timeout(TICK, self.stream.next()).await {
                    Ok(next) => return next.transpose().map_err(failed),
                    Err(_) if self.cancel.is_cancelled() => {
                        return Err(Error::new(Kind::Cancelled, "CANCELLED", "the run was cancelled; nothing was written"));
                    }
                    Err(_) => {}
                }
            }
        };
        let Some(batch) = self.runtime.block_on(next)? else { return Ok(None) };
        let first_row = self.row;
        self.row += batch.num_rows() as u64;
        let model = rename(&batch, &self.model, &self.columns)?;
        Ok(Some(Raw::Batch { model, carried: Some(batch), first_row }))
    }
}

/// Picks columns by index and gives them the model's names.
fn rename(batch: &RecordBatch, schema: &SchemaRef, columns: &[usize]) -> Result<RecordBatch> {
    let arrays = columns.iter().map(|index| batch.column(*index).clone()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?)
}
