//! A scoring stream as its user sees it.

use arrow::{
    array::RecordBatch,
    compute::concat_batches,
    datatypes::{DataType, SchemaRef},
};

use super::{
    Endpoint,
    link::{Failure, Link},
    runtime::Driver,
};
use crate::{
    error::{Error, Kind, Result},
    flight::MESSAGE_OVERHEAD,
    request::proto::ScoreSpec,
    score::CancelFlag,
};

/// Scores the batches of one schema, one at a time, in order.
///
/// A batch above the message cap is sliced and its answers joined. A lost local service is started again and the batch it had not
/// answered is sent once more. After an error of its own making the stream is closed and every later call fails.
pub struct ScoreStream {
    // Dropped before the runtime that drives it.
    link: Option<Link>,
    driver: Driver,
    endpoint: Endpoint,
    spec: ScoreSpec,
    input: SchemaRef,
    schema: SchemaRef,
    cancel: CancelFlag,
}

impl ScoreStream {
    /// Connects, and opens a stream of batches with the schema `input`; the service checks it against the model.
    ///
    /// For a Python model the spec must name a result type: without one the service knows the schema of its answers only with the
    /// first of them, and this waits for that schema.
    pub fn open(endpoint: &Endpoint, spec: &ScoreSpec, input: SchemaRef, cancel: CancelFlag) -> Result<Self> {
        let driver = endpoint.driver()?;
        let mut endpoint = endpoint.clone();
        let connect = |endpoint: &Endpoint| match driver.wait(&cancel, async { Ok(Link::open(endpoint, spec, &input).await) })? {
            Err(Failure::Lost(error)) => Ok(Err(error)),
            Err(Failure::Refused(error)) => Err(error),
            Ok(link) => Ok(Ok(link)),
        };
        let link = match connect(&endpoint)? {
            Ok(link) => link,
            Err(lost) => {
                let Some(revived) = endpoint.revived()? else { return Err(lost) };
                endpoint = revived;
                connect(&endpoint)??
            }
        };
        let schema = link.schema().clone();
        Ok(Self { link: Some(link), driver, endpoint, spec: spec.clone(), input, schema, cancel })
    }

    /// Schema of every answer: the one column `prediction`.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Scores a batch: as many rows come back, in order. Nothing of `batch` is referred to once this returns, in whatever way.
    pub fn score(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.schema_ref().fields() != self.input.fields() {
            return Err(Error::new(Kind::InvalidArgument, "BATCH_SCHEMA", "the batch has another schema than the stream")
                .expected(format!("{:?}", self.input.fields()))
                .found(format!("{:?}", batch.schema_ref().fields())));
        }
        let result = self.sliced(batch, 0);
        if result.is_err() {
            self.link = None;
        }
        result
    }

    /// Ends the stream, once the service has noticed.
    pub fn close(mut self) {
        if let Some(link) = self.link.take() {
            let _ = self.driver.wait(&self.cancel, async {
                link.close().await;
                Ok(())
            });
        }
    }

    fn link(&mut self) -> Result<&mut Link> {
        let closed = || Error::new(Kind::Unavailable, "STREAM_CLOSED", "the stream was closed by an earlier error");
        self.link.as_mut().ok_or_else(closed)
    }

    /// Scores `batch`, whose rows begin at `first` of the caller's batch.
    fn sliced(&mut self, batch: &RecordBatch, first: usize) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let limit = self.endpoint.message_limit().saturating_sub(MESSAGE_OVERHEAD);
        let mut pieces = answer_size(&self.schema, rows).div_ceil(limit.max(1));
        if pieces <= 1 {
            let messages = self.link()?.encode(batch)?;
            let size = messages.iter().map(|message| message.data_header.len() + message.data_body.len()).max().unwrap_or(0);
            if size <= limit {
                return self.whole(batch, messages, first);
            }
            pieces = size.div_ceil(limit.max(1));
        }
        if rows <= 1 {
            return Err(Error::new(
                Kind::ResourceExhausted,
                "ROW_SIZE",
                format!("one row does not fit a message of {limit} bytes"),
            )
            .row(first as u64)
            .remedy("raise the message limit at both ends"));
        }
        let step = rows.div_ceil(pieces.max(2));
        let mut answers = Vec::with_capacity(pieces);
        for start in (0..rows).step_by(step) {
            answers.push(self.sliced(&batch.slice(start, step.min(rows - start)), first + start)?);
        }
        Ok(concat_batches(&self.schema, &answers)?)
    }

    fn whole(&mut self, batch: &RecordBatch, messages: Vec<arrow_flight::FlightData>, first: usize) -> Result<RecordBatch> {
        match self.exchange(messages, batch.num_rows())? {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(error)) => Err(rebased(error, first)),
            Err(Failure::Lost(lost)) => {
                let Some(revived) = self.endpoint.revived()? else { return Err(lost) };
                tracing::warn!("the local service was lost and is up again: {lost}");
                self.link = None;
                let (spec, input) = (&self.spec, &self.input);
                let link =
                    self.driver.wait(&self.cancel, async { Link::open(&revived, spec, input).await.map_err(Failure::error) })?;
                (self.link, self.endpoint) = (Some(link), revived);
                // Encoded anew: dictionaries that went to the lost service have to go again.
                let messages = self.link()?.encode(batch)?;
                self.exchange(messages, batch.num_rows())?.map_err(|failure| rebased(failure.error(), first))
            }
        }
    }

    fn exchange(&mut self, messages: Vec<arrow_flight::FlightData>, rows: usize) -> Result<Result<RecordBatch, Failure>> {
        let Self { link: Some(link), driver, cancel, .. } = self else {
            return Err(Error::new(Kind::Unavailable, "STREAM_CLOSED", "the stream was closed by an earlier error"));
        };
        driver.wait(cancel, async { Ok(link.score(messages, rows).await) })
    }
}

/// The row of an error counts from the message; the caller's counts from its batch.
fn rebased(error: Error, first: usize) -> Error {
    match error.row_number() {
        Some(row) => error.row(row + first as u64),
        None => error,
    }
}

/// Bytes an answer takes where its type says so.
fn answer_size(schema: &SchemaRef, rows: usize) -> usize {
    fn width(data_type: &DataType) -> usize {
        match data_type {
            DataType::Struct(fields) => fields.iter().map(|field| width(field.data_type())).sum(),
            DataType::FixedSizeList(field, size) => width(field.data_type()) * usize::try_from(*size).unwrap_or(0),
            // The validity bits round up to a byte.
            other => other.primitive_width().map_or(0, |width| width + 1),
        }
    }
    rows.saturating_mul(schema.fields().iter().map(|field| width(field.data_type())).sum())
}
