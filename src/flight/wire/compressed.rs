//! Messages whose buffers are compressed. What they decode to is known, and can be refused, before the first byte is decoded:
//! arrow-ipc believes the length that a buffer claims, and decodes an LZ4 frame to its end whatever was claimed.
//!
//! <https://arrow.apache.org/docs/format/Columnar.html#compression>

use std::io::Read;

use arrow::ipc::{
    self, BodyCompressionMethod, CompressionType, DictionaryBatchBuilder, FieldNode, Message, MessageBuilder, MessageHeader,
    RecordBatchBuilder,
};
use flatbuffers::FlatBufferBuilder;
use lz4_flex::frame::FrameDecoder;

use super::decode::record_of;
use crate::request::malformed;
use crate::{
    error::{Error, Kind, Result},
    score::Context,
};

/// Before each buffer: the length it decodes to, eight bytes.
const PREFIX: usize = 8;
/// Such a length: the buffer was left as it is.
const PLAIN: i64 = -1;
/// Each decoded buffer starts at a multiple of this.
const ALIGNMENT: usize = 64;
/// Bytes that are decoded between two looks at the deadline, where the codec can stop.
const STEP: usize = 4 << 20;

/// The bytes of a compressed buffer and how many they decode to.
fn claim<'a>(buffer: &ipc::Buffer, body: &'a [u8]) -> Result<(&'a [u8], usize, bool)> {
    let bytes = &body[buffer.offset() as usize..][..buffer.length() as usize];
    if bytes.is_empty() {
        return Ok((bytes, 0, false));
    }
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
        return Err(malformed("a compressed buffer without its length"));
    };
    match i64::from_le_bytes(*prefix) {
        PLAIN => Ok((rest, rest.len(), false)),
        length => {
            let length = usize::try_from(length).map_err(|_| malformed("a compressed buffer of negative length"))?;
            Ok((rest, length, length > 0))
        }
    }
}

/// The bytes that the buffers of a record claim to decode to, each padded; its buffers were found to lie in the body.
pub fn claimed(record: &ipc::RecordBatch<'_>, body: &[u8]) -> Result<usize> {
    let mut total = 0usize;
    for buffer in record.buffers().into_iter().flatten() {
        let (_, length, _) = claim(buffer, body)?;
        total = total.saturating_add(length).saturating_add(ALIGNMENT);
    }
    Ok(total)
}

/// Decodes the buffers of a message: its header and body as they would be had they not been compressed.
pub fn decoded(message: &Message<'_>, body: &[u8], context: &Context) -> Result<(Vec<u8>, Vec<u8>)> {
    let record = record_of(message)?;
    let mut codec = Codec::new(&record)?;
    let room = claimed(&record, body)?;
    let mut out = Vec::new();
    out.try_reserve_exact(room).map_err(|error| {
        Error::new(Kind::ResourceExhausted, "MEMORY", format!("no memory for a batch of {room} bytes")).source(error)
    })?;
    let mut buffers = Vec::new();
    for buffer in record.buffers().into_iter().flatten() {
        context.check()?;
        let (bytes, length, compressed) = claim(buffer, body)?;
        let start = out.len().next_multiple_of(ALIGNMENT);
        out.resize(start, 0);
        if compressed {
            out.resize(start + length, 0);
            codec.decode(bytes, &mut out[start..], context)?;
        } else {
            out.extend_from_slice(&bytes[..length]);
        }
        buffers.push(ipc::Buffer::new(start as i64, length as i64));
    }
    Ok((header(message, &record, &buffers, out.len()), out))
}

enum Codec {
    Lz4,
    Zstd(zstd::bulk::Decompressor<'static>),
}

impl Codec {
    fn new(record: &ipc::RecordBatch<'_>) -> Result<Self> {
        let unknown = |what: String| {
            Error::new(Kind::Unimplemented, "COMPRESSION", format!("Arrow data compressed by {what} is not read"))
                .remedy("send it uncompressed, or compressed with LZ4 or Zstandard")
        };
        let compression = record.compression().ok_or_else(|| malformed("a record without its compression"))?;
        if compression.method() != BodyCompressionMethod::BUFFER {
            return Err(unknown(format!("{:?}", compression.method())));
        }
        match compression.codec() {
            CompressionType::LZ4_FRAME => Ok(Self::Lz4),
            CompressionType::ZSTD => Ok(Self::Zstd(zstd::bulk::Decompressor::new().map_err(malformed)?)),
            other => Err(unknown(format!("{other:?}"))),
        }
    }

    /// Decodes to exactly as many bytes as there is room for.
    fn decode(&mut self, bytes: &[u8], mut out: &mut [u8], context: &Context) -> Result<()> {
        let other = || malformed("a compressed buffer decodes to another length than it claims");
        match self {
            Self::Zstd(decompressor) => {
                // The frame goes straight to its place: no window is allocated, however large a one it asks for.
                let written = decompressor.decompress_to_buffer(bytes, out).map_err(malformed)?;
                if written == out.len() { Ok(()) } else { Err(other()) }
            }
            Self::Lz4 => {
                let mut decoder = FrameDecoder::new(bytes);
                while !out.is_empty() {
                    context.check()?;
                    let (step, rest) = out.split_at_mut(out.len().min(STEP));
                    decoder.read_exact(step).map_err(malformed)?;
                    out = rest;
                }
                match decoder.read(&mut [0]).map_err(malformed)? {
                    0 => Ok(()),
                    _ => Err(other()),
                }
            }
        }
    }
}

fn header(message: &Message<'_>, record: &ipc::RecordBatch<'_>, buffers: &[ipc::Buffer], body: usize) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let buffers = builder.create_vector(buffers);
    let nodes: Vec<FieldNode> = record.nodes().into_iter().flatten().copied().collect();
    let nodes = builder.create_vector(&nodes);
    let counts = record.variadicBufferCounts().map(|counts| counts.iter().collect::<Vec<i64>>());
    let counts = counts.map(|counts| builder.create_vector(&counts));
    let mut plain = RecordBatchBuilder::new(&mut builder);
    plain.add_length(record.length());
    plain.add_nodes(nodes);
    plain.add_buffers(buffers);
    if let Some(counts) = counts {
        plain.add_variadicBufferCounts(counts);
    }
    let plain = plain.finish();
    let (kind, content) = match message.header_as_dictionary_batch() {
        Some(dictionary) => {
            let mut whole = DictionaryBatchBuilder::new(&mut builder);
            whole.add_id(dictionary.id());
            whole.add_isDelta(dictionary.isDelta());
            whole.add_data(plain);
            (MessageHeader::DictionaryBatch, whole.finish().as_union_value())
        }
        None => (MessageHeader::RecordBatch, plain.as_union_value()),
    };
    let mut whole = MessageBuilder::new(&mut builder);
    whole.add_version(message.version());
    whole.add_header_type(kind);
    whole.add_bodyLength(body as i64);
    whole.add_header(content);
    let whole = whole.finish();
    builder.finish(whole, None);
    builder.finished_data().to_vec()
}
