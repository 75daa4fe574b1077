//! What a caller asks for, the same from every front end: a model, how to load it and how to score with it.
//!
//! [`Request`] holds the options, [`proto::ScoreSpec`] is their wire form: made once where a query is planned, carried as opaque bytes by
//! Spark, and the command of a Flight descriptor.

mod address;
mod mode;
pub mod proto;
mod schema;
mod spec;

pub use address::{ServiceAddress, Transport};
pub use mode::Mode;
#[cfg(feature = "flight")]
pub(crate) use schema::{malformed, message};
pub use schema::{read_schema, result_schema, result_type, schema_bytes};
pub use spec::{PROTOCOL, Request, decode, options};
