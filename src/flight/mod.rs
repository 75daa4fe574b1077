//! Arrow Flight: the service and its client.
//!
//! A stream is a `DoExchange` whose descriptor is a [`ScoreSpec`](crate::request::proto::ScoreSpec): input columns go in, the
//! prediction column comes back, one answer a batch. [`client::ScoreStream`] is the other end, [`local::LocalService`] a service that a
//! process starts for itself.

pub mod client;
pub mod local;
pub mod service;
pub mod status;

// The targets of fuzz/ call the parsers themselves.
#[cfg(fuzzing)]
pub mod wire;
#[cfg(not(fuzzing))]
mod wire;

/// What a transport's failure came from: its own text is "transport error".
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Largest message either end takes, where nothing else is said.
pub const DEFAULT_MESSAGE_BYTES: usize = 64 << 20;

/// HTTP/2 flow control: large windows and frames carry batches of a megabyte in few turns (measured, 1.4 times the defaults).
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const FRAME: u32 = 1 << 20;

/// How often a peer over TCP is asked for a sign of life, and how long it has to answer.
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(20);

/// Room in a message beside the body and the Arrow header: protobuf tags and `app_metadata`.
const MESSAGE_OVERHEAD: usize = 1024;
