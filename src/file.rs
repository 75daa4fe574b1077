//! Files that others made: opened without waiting and without following a link, and only where they are regular.

use std::{
    fs::{File, FileType, OpenOptions},
    io::Read,
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use crate::error::{Error, Kind, Result};

/// Opens a regular file to read. A FIFO would wait for its writer, a device may never end, and opening one may do something.
pub fn open(path: &Path) -> Result<File> {
    let failed = |error| Error::io(path, error);
    let named = path.symlink_metadata().map_err(failed)?;
    if !named.is_file() {
        return Err(irregular(path, named.file_type()));
    }
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let file = options.open(path).map_err(failed)?;
    // Whatever lies there by now.
    let opened = file.metadata().map_err(failed)?;
    if opened.is_file() { Ok(file) } else { Err(irregular(path, opened.file_type())) }
}

/// The bytes of a regular file that has at most `limit` of them.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |error| Error::io(path, error);
    let file = open(path)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > limit {
        return Err(too_large(path, size, limit));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // One that grows meanwhile is read no further.
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The refusal of a file, or of all files of a model, that has more bytes than are read.
pub fn too_large(path: &Path, size: u64, limit: u64) -> Error {
    let message = format!("'{}' has {size} bytes", path.display());
    Error::new(Kind::InvalidModel, "MODEL_TOO_LARGE", message).expected(format!("at most {limit} bytes"))
}

/// The refusal of what is no regular file.
pub fn irregular(path: &Path, found: FileType) -> Error {
    let what = if found.is_symlink() {
        "a symlink"
    } else if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a FIFO"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Error::new(Kind::InvalidModel, "NOT_A_REGULAR_FILE", format!("'{}' is {what}", path.display()))
        .expected("a regular file")
        .remedy("replace it by the file it stands for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        std::fs::create_dir(path("directory")).unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(read(&path("file"), 4).unwrap(), b"text");
        assert_eq!(read(&path("file"), 3).unwrap_err().code(), "MODEL_TOO_LARGE");
        assert_eq!(read(&path("nothing"), 3).unwrap_err().kind(), Kind::NotFound);
        for (name, what) in [
            (path("directory"), "a directory"),
            (path("link"), "a symlink"),
            (path("socket"), "a socket"),
            (path("fifo"), "a FIFO"),
            ("/dev/zero".into(), "a device"),
        ] {
            let error = open(&name).unwrap_err();
            assert_eq!((error.kind(), error.code()), (Kind::InvalidModel, "NOT_A_REGULAR_FILE"));
            assert!(error.message().ends_with(what), "{error}");
        }
    }
}
