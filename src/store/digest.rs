//! A model's identity: the digest of its files.

use std::{
    collections::HashMap,
    fmt,
    io::Read,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

use super::walk::{self, Stamp};
use crate::{
    error::{Error, Kind, Result},
    file,
};

/// SHA-256 of a model's directory, in hex.
///
/// For each regular file, in the order of the bytes of its path: length of the path (8 bytes, little endian), the path with `/`
/// between names, size (8 bytes, little endian), SHA-256 of the content (32 bytes); all hashed by SHA-256 in turn. Times, modes and
/// empty directories do not count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// From 64 digits of hex.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(Kind::InvalidArgument, "DIGEST_INVALID", "a digest is 64 lower-case digits of hex")
            .found(format!("'{text}'")))
    }

    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

/// Collects a [`Digest`] file by file.
pub(super) struct Sum(Sha256);

impl Sum {
    pub(super) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(super) fn add(&mut self, name: &str, size: u64, content: &[u8; 32]) {
        self.0.update((name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update(size.to_le_bytes());
        self.0.update(content);
    }

    pub(super) fn finish(self) -> Digest {
        Digest(hex(&self.0.finalize()))
    }
}

/// The digest of a directory. What has been hashed once by this process is not read again while its times and size stay as they are.
pub fn digest(directory: &Path) -> Result<Digest> {
    measure(directory).map(|(digest, ..)| digest)
}

/// The digest of a directory whose files this process has hashed before, as far as none has changed since: nothing is read for it.
pub fn remembered(directory: &Path) -> Result<Option<Digest>> {
    let mut sum = Sum::new();
    for file in walk::files(directory)? {
        let Some(content) = known(&directory.join(&file.name), file.stamp) else { return Ok(None) };
        sum.add(&file.name, file.size, &content);
    }
    Ok(Some(sum.finish()))
}

/// Checks the files of a directory as [`digest`] does, without reading them: regular files and directories alone, bounded in number, depth
/// and size.
pub fn check(directory: &Path) -> Result<()> {
    walk::files(directory).map(|_| ())
}

/// The digest of a directory, how many bytes its files have, and how many files.
pub fn measure(directory: &Path) -> Result<(Digest, u64, usize)> {
    let mut sum = Sum::new();
    let files = walk::files(directory)?;
    for file in &files {
        sum.add(&file.name, file.size, &content(&directory.join(&file.name), file.stamp)?);
    }
    Ok((sum.finish(), files.iter().map(|file| file.size).sum(), files.len()))
}

/// How many files are remembered.
const REMEMBERED: usize = 1 << 16;

/// A file younger than this may change once more without another time stamp.
const SETTLED: Duration = Duration::from_secs(2);

type Known = HashMap<PathBuf, (Stamp, [u8; 32])>;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// The hash of a file that has not changed since it was read.
fn known(path: &Path, stamp: Stamp) -> Option<[u8; 32]> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(path).filter(|(then, _)| *then == stamp).map(|(_, hash)| *hash)
}

/// Takes it that a file has this hash while its stamp stays as it is.
pub(super) fn know(path: PathBuf, stamp: Stamp, hash: [u8; 32]) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(path, (stamp, hash));
}

pub(super) fn content(path: &Path, stamp: Stamp) -> Result<[u8; 32]> {
    known(path, stamp).map_or_else(|| fresh(path, stamp), Ok)
}

/// The hash of a file's content as it is now, whatever this process knows of it.
pub(super) fn fresh(path: &Path, stamp: Stamp) -> Result<[u8; 32]> {
    let now = SystemTime::now();
    let mut file = file::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    let mut size = 0;
    loop {
        let count = file.read(&mut buffer).map_err(|error| Error::io(path, error))?;
        if count == 0 {
            break;
        }
        size += count as u64;
        hasher.update(&buffer[..count]);
    }
    let after = file.metadata().map_err(|error| Error::io(path, error))?;
    if size != stamp.size || Stamp::of(&after) != stamp {
        return Err(changed(path));
    }
    let hash: [u8; 32] = hasher.finalize().into();
    let settled = after.modified().ok().and_then(|modified| now.duration_since(modified).ok()).is_some_and(|age| age > SETTLED);
    if settled {
        know(path.to_path_buf(), stamp, hash);
    }
    Ok(hash)
}

pub(super) fn changed(path: &Path) -> Error {
    Error::new(Kind::FailedPrecondition, "MODEL_CHANGED", format!("'{}' changed while it was read", path.display()))
        .remedy("save models to a new directory, and do not change them once they are used")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
