//! The client: synchronous, for threads that wait for their answer anyway (a Spark task, a Python call).
//!
//! ```no_run
//! # fn main() -> mlflight::error::Result<()> {
//! use mlflight::{flight::client::{Endpoint, ScoreStream}, request::{self, Request}, score::CancelFlag};
//! # let batch: arrow::array::RecordBatch = unimplemented!();
//! let endpoint = Endpoint::parse("grpc://127.0.0.1:8815")?;
//! let spec = Request { uri: "iris".into(), ..Default::default() }.to_spec()?;
//! let mut stream = ScoreStream::open(&endpoint, &spec, batch.schema(), CancelFlag::default())?;
//! let predictions = stream.score(&batch)?;
//! # Ok(())
//! # }
//! ```

mod endpoint;
mod link;
mod runtime;
mod stream;

pub use endpoint::Endpoint;
pub use stream::ScoreStream;
