//! Decompression that cannot be made to fill the memory.

use std::io::Read;

use super::{invalid, unread};
use crate::error::Result;

/// How many times its size something may grow to: zlib's own limit is near a thousand, and what models hold grows far less.
const MAX_RATIO: usize = 100;
/// What may be grown to whatever the ratio.
const FREE: usize = 1 << 20;

/// What zlib compressed.
pub(super) fn zlib(bytes: &[u8]) -> Result<Vec<u8>> {
    bounded(flate2::bufread::ZlibDecoder::new(bytes), bytes.len())
}

/// What a zip archive holds deflated.
pub(super) fn deflate(bytes: &[u8]) -> Result<Vec<u8>> {
    bounded(flate2::bufread::DeflateDecoder::new(bytes), bytes.len())
}

fn bounded(reader: impl Read, compressed: usize) -> Result<Vec<u8>> {
    let limit = compressed.saturating_mul(MAX_RATIO).max(FREE);
    let mut out = Vec::new();
    let read = reader.take(limit as u64 + 1).read_to_end(&mut out);
    read.map_err(|error| invalid(format!("cannot be decompressed: {error}")))?;
    match out.len() > limit {
        true => Err(unread(format!("{compressed} compressed bytes grow to more than {limit}"))),
        false => Ok(out),
    }
}
