//! A model's directory as one file, and back.

use std::{
    fs,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use super::{
    digest::{Digest, Sum, changed, digest},
    walk,
};
use crate::{
    error::{Error, Kind, Result},
    file,
};

/// Writes `out_dir/mlflight-model-<digest>.mlflight`, a plain tar of the regular files, whole or not at all. An archive that is already
/// there is left as it is. Equal directories give equal bytes.
pub fn pack(directory: &Path, out_dir: &Path) -> Result<PathBuf> {
    let digest = digest(directory)?;
    let path = out_dir.join(format!("mlflight-model-{digest}.mlflight"));
    if path.is_file() {
        return Ok(path);
    }
    fs::create_dir_all(out_dir).map_err(|error| Error::io(out_dir, error))?;
    let failed = |error| Error::io(out_dir, error);
    let file = tempfile::Builder::new().prefix(".mlflight-model-").tempfile_in(out_dir).map_err(failed)?;
    let mut sum = Sum::new();
    let mut builder = Builder::new(io::BufWriter::with_capacity(1 << 17, file));
    for entry in walk::files(directory)? {
        let source = directory.join(&entry.name);
        let opened = file::open(&source)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(entry.size);
        header.set_mode(0o644);
        header.set_mtime(0);
        let mut reader = Hashing { inner: opened.take(entry.size), hasher: Sha256::new(), size: 0 };
        builder.append_data(&mut header, &entry.name, &mut reader).map_err(failed)?;
        if reader.size != entry.size {
            return Err(changed(&source));
        }
        sum.add(&entry.name, entry.size, &reader.hasher.finalize().into());
    }
    let file =
        builder.into_inner().and_then(|writer| writer.into_inner().map_err(io::IntoInnerError::into_error)).map_err(failed)?;
    if sum.finish() != digest {
        return Err(changed(directory));
    }
    // The file is made for its owner alone; Spark serves it to executors that may run as others.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed)?;
    }
    file.persist(&path).map_err(|error| Error::io(&path, error.error))?;
    Ok(path)
}

/// The directory `cache_dir/<digest>` with an archive's files, made by one process at a time and visible only once its digest is the
/// expected one. One that is there already is checked, and made anew when it is damaged.
pub fn unpack(archive: &Path, expected: &Digest, cache_dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(cache_dir).map_err(|error| Error::io(cache_dir, error))?;
    let directory = cache_dir.join(expected.as_str());
    let lock_path = cache_dir.join(format!(".{expected}.lock"));
    let lock = fs::File::options().create(true).truncate(false).write(true).open(&lock_path);
    let lock = lock.map_err(|error| Error::io(&lock_path, error))?;
    lock.lock().map_err(|error| Error::io(&lock_path, error))?;
    if directory.is_dir() {
        if digest(&directory).is_ok_and(|found| found == *expected) {
            return Ok(directory);
        }
        // Moved, not emptied: whoever still reads it keeps what it has opened.
        let old = scratch(cache_dir)?;
        fs::rename(&directory, old.path().join("old")).map_err(|error| Error::io(&directory, error))?;
    }
    let scratch = scratch(cache_dir)?;
    let fresh = scratch.path().join("model");
    let packed = fs::File::open(archive).map_err(|error| Error::io(archive, error));
    let packed = packed.map(|file| io::BufReader::with_capacity(1 << 17, file));
    packed.and_then(|file| extract(file, &fresh)).map_err(|error| error.context(archive.display()))?;
    let found = digest(&fresh)?;
    if found != *expected {
        return Err(Error::new(Kind::InvalidModel, "DIGEST_MISMATCH", format!("{}: not the expected model", archive.display()))
            .expected(expected)
            .found(found));
    }
    fs::rename(&fresh, &directory).map_err(|error| Error::io(&directory, error))?;
    Ok(directory)
}

fn scratch(cache_dir: &Path) -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(".mlflight-").tempdir_in(cache_dir).map_err(|error| Error::io(cache_dir, error))
}

/// Writes the regular files of a tar archive to a directory.
pub(super) fn extract(archive: impl Read, directory: &Path) -> Result<()> {
    let unreadable = |error: io::Error| invalid(format!("no readable tar archive: {error}")).source(error);
    fs::create_dir_all(directory).map_err(|error| Error::io(directory, error))?;
    let mut archive = Archive::new(archive);
    for (count, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.into_owned();
        let shown = name.display();
        if count >= walk::MAX_FILES {
            return Err(invalid(format!("the archive has more than {} files", walk::MAX_FILES)));
        }
        let Some(path) = inside(&name)?.map(|name| directory.join(name)) else { continue };
        match entry.header().entry_type() {
            EntryType::Directory => fs::create_dir_all(&path).map_err(|error| Error::io(&path, error))?,
            EntryType::Regular => {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
                }
                // A name that stands twice fails here.
                let mut out = fs::File::create_new(&path).map_err(|error| Error::io(&path, error))?;
                let written = io::copy(&mut entry, &mut out).map_err(|error| unwritten(&path, error))?;
                if written != entry.size() {
                    return Err(invalid(format!("the archive ends within '{shown}'")));
                }
            }
            // Remarks for the whole archive, which say nothing of its files.
            EntryType::XGlobalHeader => {}
            other => return Err(invalid(format!("the archive's entry '{shown}' is no regular file: {other:?}"))),
        }
    }
    Ok(())
}

/// The path of an archive's entry below the directory that it is unpacked to; `None` for that directory itself. One that leads out of it is
/// refused.
pub(super) fn inside(name: &Path) -> Result<Option<PathBuf>> {
    let parts = name.components().filter(|part| *part != Component::CurDir);
    let names_inside = parts.clone().all(|part| matches!(part, Component::Normal(_)));
    let escapes = name.as_os_str().as_encoded_bytes().contains(&b'\\');
    if !names_inside || escapes || parts.clone().count() > walk::MAX_DEPTH + 1 {
        let shown = name.display();
        return Err(invalid(format!("the archive's path '{shown}' leaves the model's directory or is too deep")));
    }
    let path: PathBuf = parts.collect();
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

/// The error for an entry that could not be copied to its file: by a fault of the archive, or of the disk.
pub(super) fn unwritten(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            invalid(format!("the archive cannot be unpacked: {error}")).source(error)
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let message = format!("the disk of '{}' is full", path.display());
            Error::new(Kind::ResourceExhausted, "DISK_FULL", message).remedy("make room").source(error)
        }
        _ => Error::io(path, error),
    }
}

fn invalid(message: String) -> Error {
    Error::new(Kind::InvalidModel, "ARCHIVE_INVALID", message)
}

/// Hashes and counts what passes through.
struct Hashing<R> {
    inner: R,
    hasher: Sha256,
    size: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
