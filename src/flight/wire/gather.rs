//! Messages from the pieces of a gRPC stream. A body goes straight from its piece to memory that Arrow can read in place: it is
//! copied once, where tonic's codec would copy it into one message, and arrow-ipc each column out of that, which is not aligned.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> (length-prefixed messages),
//! <https://protobuf.dev/programming-guides/encoding/>

use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::MutableBuffer;
use arrow_flight::FlightData;
use bytes::{Buf, Bytes, BytesMut};
use prost::Message;

use crate::{
    error::{Error, Kind, Result},
    flight::CONNECTION_WINDOW,
};

/// Before each message: a flag, and four bytes that say how long it is.
const PREFIX: usize = 5;
/// Two variable-length integers at their longest.
const LONGEST_KEY: usize = 20;
/// `FlightData.data_body`
const BODY: u64 = 1000;
/// A larger body's memory is not kept: a stream that waits holds no more than its connection may.
const KEPT: usize = CONNECTION_WINDOW as usize;

/// Puts the messages of one stream together.
pub struct Gather {
    limit: usize,
    state: Expected,
    /// Bytes of the message that have not come.
    left: usize,
    /// All fields but the body, as they came.
    head: BytesMut,
    /// Where in `head` the newest field starts.
    field: usize,
    body: MutableBuffer,
    spare: SpareMemory,
}

/// What the next bytes are.
enum Expected {
    Prefix,
    /// A field's key, with its length where it has one.
    Key,
    /// So many bytes of a field's value.
    Value(usize),
    Body(usize),
}

/// Memory for the next body, where that of an earlier one is free again.
type SpareMemory = Arc<Mutex<Option<MutableBuffer>>>;

/// The memory of a body. When the last array in it is dropped, it is kept for the next body.
struct ReusedMemory {
    memory: MutableBuffer,
    spare: SpareMemory,
}

impl AsRef<[u8]> for ReusedMemory {
    fn as_ref(&self) -> &[u8] {
        self.memory.as_slice()
    }
}

impl Drop for ReusedMemory {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        if memory.capacity() <= KEPT {
            *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(memory);
        }
    }
}

impl Gather {
    /// For messages of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let (head, body) = (BytesMut::new(), MutableBuffer::default());
        Self { limit, state: Expected::Prefix, left: 0, head, field: 0, body, spare: SpareMemory::default() }
    }

    /// Whether no message has begun.
    pub fn is_between(&self) -> bool {
        matches!(self.state, Expected::Prefix) && self.head.is_empty()
    }

    /// Takes from a piece up to the end of a message, and returns that; `None` when the piece is used up.
    pub fn take(&mut self, piece: &mut Bytes) -> Result<Option<FlightData>> {
        loop {
            match self.state {
                Expected::Prefix if self.head.len() == PREFIX => self.begin()?,
                Expected::Key if self.left == 0 => return self.finish().map(Some),
                Expected::Value(0) => (self.state, self.field) = (Expected::Key, self.head.len()),
                Expected::Body(0) => self.state = Expected::Key,
                _ if piece.is_empty() => return Ok(None),
                Expected::Prefix => {
                    let some = piece.split_to(piece.len().min(PREFIX - self.head.len()));
                    self.head.extend_from_slice(&some);
                }
                Expected::Key => {
                    self.head.extend_from_slice(&[piece.get_u8()]);
                    self.left -= 1;
                    self.key()?;
                }
                Expected::Value(wanted) => {
                    let some = piece.split_to(piece.len().min(wanted));
                    self.head.extend_from_slice(&some);
                    self.left -= some.len();
                    self.state = Expected::Value(wanted - some.len());
                }
                Expected::Body(wanted) => {
                    let some = piece.split_to(piece.len().min(wanted));
                    self.body.extend_from_slice(&some);
                    self.left -= some.len();
                    self.state = Expected::Body(wanted - some.len());
                }
            }
        }
    }

    fn begin(&mut self) -> Result<()> {
        let flag = self.head.get_u8();
        self.left = self.head.get_u32() as usize;
        if flag != 0 {
            // A client that compresses says so in a header, and is refused for that.
            return Err(malformed("a flag other than 0 before a message").found(flag));
        }
        if self.left > self.limit {
            return Err(too_large(format_args!("{} bytes, the limit is {}", self.left, self.limit)));
        }
        (self.state, self.field) = (Expected::Key, 0);
        Ok(())
    }

    /// Goes on to the value once the key is whole.
    fn key(&mut self) -> Result<()> {
        let bytes = &self.head[self.field..];
        let Some((key, used)) = varint(bytes) else { return self.unfinished() };
        let length = match key & 7 {
            0 => {
                if varint(&bytes[used..]).is_none() {
                    return self.unfinished();
                }
                0
            }
            1 => 8,
            2 => match varint(&bytes[used..]) {
                Some((length, _)) => length,
                None => return self.unfinished(),
            },
            5 => 4,
            other => return Err(malformed("a field of an unknown kind").found(other)),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.left {
            return Err(malformed("a field that is longer than its message"));
        }
        if key != BODY << 3 | 2 {
            self.state = Expected::Value(length);
            return Ok(());
        }
        self.head.truncate(self.field);
        let kept = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.body = kept.filter(|memory| memory.capacity() >= length).unwrap_or_else(|| MutableBuffer::with_capacity(length));
        self.body.clear();
        self.state = Expected::Body(length);
        Ok(())
    }

    /// A key that has not wholly come.
    fn unfinished(&self) -> Result<()> {
        match self.left > 0 && self.head.len() - self.field < LONGEST_KEY {
            true => Ok(()),
            false => Err(malformed("a field without an end")),
        }
    }

    fn finish(&mut self) -> Result<FlightData> {
        self.state = Expected::Prefix;
        let mut message = FlightData::decode(self.head.split().freeze()).map_err(malformed)?;
        let memory = std::mem::take(&mut self.body);
        if !memory.is_empty() {
            message.data_body = Bytes::from_owner(ReusedMemory { memory, spare: self.spare.clone() });
        }
        Ok(message)
    }
}

/// An integer of seven bits a byte, the lowest first, and the bytes it takes; `None` where its end is not there.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let value = bytes[..length].iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, length))
}

fn malformed(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::InvalidArgument, "MALFORMED_MESSAGE", format!("malformed message: {what}"))
}

/// A message beyond the cap.
pub fn too_large(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::ResourceExhausted, "MESSAGE_SIZE", format!("a message is too large: {what}"))
        .remedy("send smaller batches, or raise --max-message-bytes at both ends")
}
