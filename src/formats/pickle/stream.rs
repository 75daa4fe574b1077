//! The bytes of a pickle, with bounds.

use bytes::Bytes;

use crate::{error::Result, formats::invalid};

pub(super) struct Stream<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Stream<'a> {
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    /// All the bytes: values share them.
    pub(super) fn source(&self) -> &'a Bytes {
        self.bytes
    }

    /// Where the next byte is.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match rest.get(..count) {
            Some(taken) => {
                self.at += count;
                Ok(taken)
            }
            None => Err(invalid(format!("byte {}: {count} bytes wanted, {} are left", self.at, rest.len()))),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// A length with so many bytes that nothing can be that long.
    pub(super) fn length(&mut self, width: usize) -> Result<usize> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(self.take(width)?);
        let length = u64::from_le_bytes(bytes);
        let left = self.bytes.len() - self.at;
        match usize::try_from(length) {
            Ok(length) if length <= left => Ok(length),
            _ => Err(invalid(format!("byte {}: a length of {length} bytes, {left} are left", self.at - width))),
        }
    }

    /// The bytes up to the end of the line, without it.
    pub(super) fn line(&mut self) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| invalid("a line has no end"))?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    pub(super) fn text_line(&mut self) -> Result<&'a str> {
        let at = self.at;
        std::str::from_utf8(self.line()?).map_err(|_| invalid(format!("byte {at}: a line that is not UTF-8")))
    }
}
