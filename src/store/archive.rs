//! Archives that others made: unpacked within bounds, and only what stays inside.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{listing, pack, place::Entry, walk};
use crate::error::{Error, Kind, Result};

/// The ends of the names of archives that are read.
const ENDS: [&str; 5] = [".tar.gz", ".tgz", ".tar", ".mlflight", ".zip"];

/// An archive has no more bytes unpacked than this, for each byte that it has itself: a text of zeros would fill any disk.
const RATIO: u64 = 200;

/// Small archives may have this many bytes in any case.
const ALWAYS: u64 = 1 << 30;

/// Whether a path names an archive.
pub(super) fn named(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ENDS.iter().any(|end| path.ends_with(end))
}

/// The digest that is in the name of an archive that [`pack`](super::pack) made.
pub(super) fn digest_in_name(name: &str) -> Option<&str> {
    let digest = name.strip_prefix("mlflight-model-")?.strip_suffix(".mlflight")?;
    super::Digest::parse(digest).is_ok().then_some(digest)
}

/// Unpacks an archive into a new directory. Returns where the model is: many archives hold one directory with everything in it.
pub(super) fn unpack(archive: &Path, name: &str, directory: &Path) -> Result<PathBuf> {
    let file = fs::File::open(archive).map_err(|error| Error::io(archive, error))?;
    let size = file.metadata().map_err(|error| Error::io(archive, error))?.len();
    let limit = size.saturating_mul(RATIO).max(ALWAYS).min(walk::MAX_BYTES);
    fs::create_dir_all(directory).map_err(|error| Error::io(directory, error))?;
    let lower = name.to_ascii_lowercase();
    let reader = io::BufReader::with_capacity(1 << 17, file);
    if lower.ends_with(".zip") {
        unzip(reader, directory, limit)?;
    } else if lower.ends_with("gz") {
        let bounded = Bounded { inner: flate2::bufread::MultiGzDecoder::new(reader), left: limit };
        pack::extract(bounded, directory)?;
    } else {
        pack::extract(Bounded { inner: reader, left: limit }, directory)?;
    }
    let files = walk::files(directory)?;
    let entries: Vec<_> = files.into_iter().map(|file| Entry { name: file.name, size: file.size, version: None }).collect();
    listing::check(&entries, "the archive")?;
    Ok(inner(directory, &entries).unwrap_or_else(|| directory.to_path_buf()))
}

/// The one directory of an archive that has the model in it, where the archive itself has none.
fn inner(directory: &Path, entries: &[Entry]) -> Option<PathBuf> {
    let (first, _) = entries.first()?.name.split_once('/')?;
    let alone = entries.iter().all(|entry| entry.name.split_once('/').is_some_and(|(name, _)| name == first));
    let inner = directory.join(first);
    (alone && inner.join("MLmodel").is_file()).then_some(inner)
}

fn invalid(message: String) -> Error {
    Error::new(Kind::InvalidModel, "ARCHIVE_INVALID", message)
}

fn unzip(reader: impl Read + io::Seek, directory: &Path, limit: u64) -> Result<()> {
    let broken = |error: zip::result::ZipError| invalid(format!("no readable zip archive: {error}")).source(error);
    let mut archive = zip::ZipArchive::new(reader).map_err(broken)?;
    if archive.len() > walk::MAX_FILES {
        return Err(invalid(format!("the archive has more than {} files", walk::MAX_FILES)));
    }
    let mut left = limit;
    for at in 0..archive.len() {
        let entry = archive.by_index(at).map_err(broken)?;
        let name = entry.name().map_err(broken)?.into_owned();
        let Some(path) = pack::inside(Path::new(&name))? else { continue };
        let path = directory.join(path);
        if entry.is_dir() {
            fs::create_dir_all(&path).map_err(|error| Error::io(&path, error))?;
            continue;
        }
        if !entry.is_file() {
            return Err(invalid(format!("the archive's entry '{name}' is no regular file")));
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        }
        let mut out = fs::File::create_new(&path).map_err(|error| Error::io(&path, error))?;
        let mut bounded = Bounded { inner: entry, left };
        io::copy(&mut bounded, &mut out).map_err(|error| pack::unwritten(&path, error))?;
        left = bounded.left;
    }
    Ok(())
}

/// Fails once more bytes are read than the bound.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "the archive is far larger unpacked than packed, which is refused")
        })?;
        Ok(count)
    }
}
