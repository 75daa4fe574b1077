//! What a client sends on a stream.

use std::{future::poll_fn, pin::Pin};

use arrow_flight::FlightData;
use bytes::Bytes;
use tonic::{Code, body::Body, codegen::Body as _};

use super::exchange::{lost, vanished};
use crate::{error::Result, flight::wire::Gather};

/// The messages of one stream, taken from the DATA frames of its connection.
pub struct Incoming {
    body: Body,
    /// What the last frame holds beyond the last message.
    piece: Bytes,
    gather: Gather,
}

impl Incoming {
    /// For messages of at most `limit` bytes.
    pub fn new(body: Body, limit: usize) -> Self {
        Self { body, piece: Bytes::new(), gather: Gather::new(limit) }
    }

    /// The next message; `None` when the client has no more. A call that is dropped loses nothing.
    pub async fn next(&mut self) -> Result<Option<FlightData>> {
        loop {
            if let Some(message) = self.gather.take(&mut self.piece)? {
                return Ok(Some(message));
            }
            let frame = match poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await {
                Some(Ok(frame)) => frame,
                // As tonic has it: a stream that its client reset is one that ended.
                Some(Err(status)) if status.code() == Code::Cancelled => return Ok(None),
                Some(Err(status)) => return Err(lost(&status)),
                None if self.gather.is_between() => return Ok(None),
                None => return Err(vanished()),
            };
            // Else trailers, which nothing follows.
            let Ok(piece) = frame.into_data() else { return Ok(None) };
            self.piece = piece;
        }
    }
}
