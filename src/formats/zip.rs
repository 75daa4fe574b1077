//! Zip archives: entries by name, stored or deflated, each checked before a byte of it is believed.

use std::{borrow::Cow, collections::HashMap};

use super::{inflate, invalid, unread};
use crate::error::{Error, Result};

/// How many entries an archive may have.
const MAX_ENTRIES: usize = 1 << 18;
/// What a comment at the end may take.
const MAX_TAIL: usize = 22 + 0xffff;

/// An open archive.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    entries: HashMap<&'a str, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    deflated: bool,
    crc: u32,
    compressed: usize,
    size: usize,
    header: usize,
}

impl<'a> Archive<'a> {
    /// Reads the directory at the archive's end.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let tail = &bytes[bytes.len().saturating_sub(MAX_TAIL)..];
        let end = tail.windows(4).rposition(|window| window == b"PK\x05\x06").ok_or_else(|| invalid("not a zip archive"))?;
        let end = Fields(&tail[end..]);
        let (count, size, start) = (end.u16(10)?, end.u32(12)?, end.u32(16)?);
        if count == 0xffff || start == 0xffff_ffff {
            return Err(unread("a zip archive of more than 65534 entries or 4 GiB is not read"));
        }
        let directory =
            bytes.get(start..).and_then(|rest| rest.get(..size)).ok_or_else(|| invalid("the zip directory lies outside"))?;
        let mut archive = Self { bytes, entries: HashMap::new() };
        let mut rest = directory;
        while !rest.is_empty() {
            let fields = Fields(rest);
            if fields.u32(0)? != 0x0201_4b50 {
                return Err(invalid("the zip directory is broken"));
            }
            let (name, more) = (fields.u16(28)?, fields.u16(30)? + fields.u16(32)?);
            let name = rest.get(46..46 + name).ok_or_else(cut)?;
            rest = rest.get(46 + name.len() + more..).ok_or_else(cut)?;
            let name = std::str::from_utf8(name).map_err(|_| invalid("a zip entry's name is not UTF-8"))?;
            check(name)?;
            let method = fields.u16(10)?;
            if fields.u16(8)? & 1 != 0 || !matches!(method, 0 | 8) {
                return Err(unread(format!("zip entry '{name}': encrypted, or compressed by method {method}")));
            }
            let entry = Entry {
                deflated: method == 8,
                crc: fields.u32(16)? as u32,
                compressed: fields.u32(20)?,
                size: fields.u32(24)?,
                header: fields.u32(42)?,
            };
            if archive.entries.insert(name, entry).is_some() {
                return Err(invalid(format!("two zip entries are called '{name}'")));
            }
            if archive.entries.len() > MAX_ENTRIES {
                return Err(unread(format!("more than {MAX_ENTRIES} zip entries")));
            }
        }
        Ok(archive)
    }

    /// Whether there is such an entry.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The content of an entry.
    pub(super) fn read(&self, name: &str) -> Result<Cow<'a, [u8]>> {
        let entry = *self.entries.get(name).ok_or_else(|| invalid(format!("the archive has no entry '{name}'")))?;
        self.content(entry).map_err(|error| error.context(format_args!("zip entry '{name}'")))
    }

    fn content(&self, entry: Entry) -> Result<Cow<'a, [u8]>> {
        let local = self.bytes.get(entry.header..).ok_or_else(cut)?;
        let fields = Fields(local);
        if fields.u32(0)? != 0x0403_4b50 {
            return Err(invalid("it does not begin where the directory says"));
        }
        let start = 30 + fields.u16(26)? + fields.u16(28)?;
        let compressed = local.get(start..).and_then(|rest| rest.get(..entry.compressed)).ok_or_else(cut)?;
        let content = match entry.deflated {
            true => Cow::Owned(inflate::deflate(compressed)?),
            false => Cow::Borrowed(compressed),
        };
        let mut crc = flate2::Crc::new();
        crc.update(&content);
        match content.len() == entry.size && crc.sum() == entry.crc {
            true => Ok(content),
            false => Err(invalid("its size or checksum is not what the directory says")),
        }
    }
}

/// Entries are only ever read into memory; a name that points elsewhere shows that the archive was made to harm.
fn check(name: &str) -> Result<()> {
    let leaves = name.starts_with('/') || name.contains(['\\', ':', '\0']) || name.split('/').any(|part| part == "..");
    match leaves {
        true => Err(invalid(format!("zip entry '{}' leaves the archive", name.escape_default()))),
        false => Ok(()),
    }
}

fn cut() -> Error {
    invalid("the zip archive ends early")
}

/// Little-endian numbers at fixed places.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u16(&self, at: usize) -> Result<usize> {
        match self.0.get(at..at + 2) {
            Some(&[a, b]) => Ok(u16::from_le_bytes([a, b]).into()),
            _ => Err(cut()),
        }
    }

    fn u32(&self, at: usize) -> Result<usize> {
        match self.0.get(at..at + 4) {
            Some(&[a, b, c, d]) => Ok(u32::from_le_bytes([a, b, c, d]) as usize),
            _ => Err(cut()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_archive_are_refused() {
        for name in ["../x", "a/../b", "/etc/passwd", "C:x", "a\\b", "a\0"] {
            assert!(check(name).unwrap_err().to_string().contains("leaves the archive"), "{name}");
        }
        check("a/..b/schema.json").unwrap();
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for bytes in [&b""[..], b"PK\x03\x04", b"PK\x05\x06", b"PK\x05\x06\0\0\0\0\0\0\xff\0\xff\xff\xff\x7f\xff\xff\xff\x7f\0\0"]
        {
            assert!(Archive::open(bytes).is_err());
        }
    }
}
