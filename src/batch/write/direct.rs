//! Writes text without the kernel's page cache (`O_DIRECT`).
//!
//! An output is synced before it gets its name. Through the cache this takes several times the CPU time of the write itself, memory that other
//! processes could use, and at the end a wait for everything that is not on the disk yet (figures in `benches/RESULTS.md`).

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
};

use rustix::io::Errno;

/// Addresses and sizes must be multiples of this, the largest block of common disks.
const ALIGNMENT: usize = 4096;

/// A file that is written from its start in pieces of one size; through the cache where the file system does not support `O_DIRECT`.
pub(super) struct DirectFile {
    file: File,
    direct: bool,
    /// The `size` bytes from `start` on, which is aligned, are one piece.
    buffer: Vec<u8>,
    start: usize,
    size: usize,
    filled: usize,
}

impl DirectFile {
    /// Takes an empty file and allocates memory for pieces of about `size` bytes.
    pub(super) fn new(file: File, size: usize) -> Self {
        let size = size.next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let buffer = vec![0; size + ALIGNMENT];
        let start = buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        let direct = bypass_cache(&file, true).is_ok();
        Self { file, direct, buffer, start, size, filled: 0 }
    }

    /// Adds text.
    pub(super) fn append(&mut self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            let room = &mut self.buffer[self.start + self.filled..self.start + self.size];
            let length = room.len().min(text.len());
            let (now, later) = text.split_at(length);
            room[..length].copy_from_slice(now);
            self.filled += length;
            text = later;
            if self.filled == self.size {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is left and syncs the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        // The last piece has no aligned size.
        self.through_cache()?;
        self.flush()?;
        self.file.sync_all()
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.filled {
            match self.file.write(&self.buffer[self.start + written..self.start + self.filled]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => written += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The disk has larger blocks, the last write was partial, or the file system only now refuses to bypass its cache.
                Err(error) if self.direct && Errno::from_io_error(&error) == Some(Errno::INVAL) => self.through_cache()?,
                Err(error) => return Err(error),
            }
        }
        self.filled = 0;
        Ok(())
    }

    fn through_cache(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.direct) {
            bypass_cache(&self.file, false)?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn bypass_cache(file: &File, on: bool) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, on);
    Ok(fcntl_setfl(file, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn bypass_cache(_file: &File, _on: bool) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom};

    use super::*;

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at / 7 % 251) as u8).collect()
    }

    #[test]
    fn files_hold_what_was_appended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text");
        for length in [0, 1, 4095, 4096, 4097, 8192, 3 * 8192, 100_000] {
            for piece in [1, 1000, 4096, 50_000] {
                let whole = text(length);
                let mut file = DirectFile::new(File::create(&path).unwrap(), 8192);
                whole.chunks(piece).for_each(|piece| file.append(piece).unwrap());
                file.finish().unwrap();
                assert!(std::fs::read(&path).unwrap() == whole, "{length} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_cannot_be_written_directly_goes_through_the_cache() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"x").unwrap();
        let mut reader = file.try_clone().unwrap();
        // From here on no piece lies on a multiple of a block.
        let mut direct = DirectFile::new(file, 4096);
        let supported = direct.direct;
        let whole = text(10_000);
        direct.append(&whole).unwrap();
        assert!(!direct.direct, "supported: {supported}");
        direct.finish().unwrap();
        reader.seek(SeekFrom::Start(1)).unwrap();
        let mut found = Vec::new();
        io::Read::read_to_end(&mut reader, &mut found).unwrap();
        assert!(found == whole);
    }

    #[test]
    fn a_full_disk_is_told() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut file = DirectFile::new(full, 4096);
        let error = file.append(&text(5000)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}
