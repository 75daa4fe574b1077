//! What the files of a cached model were when they were last hashed.

use std::{collections::HashMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{boot, record};
use crate::{
    error::Result,
    store::{
        digest::{self, Digest, Sum},
        walk,
    },
};

/// So many runs of machines are remembered: a cache may be shared by several.
const BOOTS: usize = 16;

/// The files of a model, with their hashes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) bytes: u64,
    /// The runs of machines that have read all files.
    boots: Vec<String>,
    files: Vec<File>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    name: String,
    size: u64,
    mark: [i64; 5],
    sha256: String,
}

impl Manifest {
    /// Hashes the files of a directory.
    pub(super) fn of(directory: &Path) -> Result<Self> {
        let found = walk::files(directory)?;
        let hashes =
            found.iter().map(|file| digest::fresh(&directory.join(&file.name), file.stamp)).collect::<Result<Vec<_>>>()?;
        Ok(Self::new(found, &hashes))
    }

    /// The manifest of a directory whose files have these hashes, in the order of their names.
    pub(super) fn with_hashes(directory: &Path, hashes: &[[u8; 32]]) -> Result<Self> {
        Ok(Self::new(walk::files(directory)?, hashes))
    }

    fn new(found: Vec<walk::File>, hashes: &[[u8; 32]]) -> Self {
        let file = |(file, hash): (walk::File, &[u8; 32])| File {
            name: file.name,
            size: file.size,
            mark: file.stamp.mark(),
            sha256: digest::hex(hash),
        };
        let files: Vec<_> = found.into_iter().zip(hashes).map(file).collect();
        Self { bytes: files.iter().map(|file| file.size).sum(), boots: vec![boot().to_owned()], files }
    }

    /// The manifest of a model's directory.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        record::read(directory.parent()?, directory.file_name()?.to_str()?)
    }

    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let (Some(parent), Some(name)) = (directory.parent(), directory.file_name().and_then(|name| name.to_str())) else {
            return Ok(());
        };
        record::write(parent, name, self)
    }

    /// The digest of the files.
    pub(super) fn digest(&self) -> Option<Digest> {
        let mut sum = Sum::new();
        for file in &self.files {
            sum.add(&file.name, file.size, &bytes(&file.sha256)?);
        }
        Some(sum.finish())
    }

    /// The hash of each file by its name.
    pub(super) fn hashes(&self) -> HashMap<String, [u8; 32]> {
        self.files.iter().filter_map(|file| Some((file.name.clone(), bytes(&file.sha256)?))).collect()
    }

    /// Whether the files of a directory are those of the digest. They are read only where their stamps, or the machine's restart, leave a
    /// doubt.
    pub(super) fn verify(directory: &Path, digest: &str, writable: bool) -> Result<bool> {
        let manifest = Self::read(directory);
        if let Some(manifest) = &manifest
            && manifest.digest().is_some_and(|own| own.as_str() == digest)
            && manifest.boots.iter().any(|id| id == boot())
            && manifest.vouches(directory)
        {
            return Ok(true);
        }
        tracing::info!(directory = %directory.display(), "checking the files of a cached model");
        let Ok(mut fresh) = Self::of(directory) else { return Ok(false) };
        if fresh.digest().is_none_or(|own| own.as_str() != digest) {
            return Ok(false);
        }
        if let Some(manifest) = manifest.filter(|manifest| manifest.files == fresh.files) {
            fresh.boots.extend(manifest.boots.into_iter().take(BOOTS - 1));
        }
        if writable {
            fresh.write(directory)?;
        }
        Ok(true)
    }

    /// Whether the files of a directory have the stamps that they had. If so, the process knows their hashes from now on.
    fn vouches(&self, directory: &Path) -> bool {
        let Ok(files) = walk::files(directory) else { return false };
        let same = |(file, then): (&walk::File, &File)| file.name == then.name && file.stamp.mark() == then.mark;
        let unchanged = files.len() == self.files.len()
            && files.iter().zip(&self.files).all(same)
            && files.iter().zip(&self.files).all(|(file, then)| file.size == then.size);
        if unchanged {
            for (file, then) in files.iter().zip(&self.files) {
                if let Some(hash) = bytes(&then.sha256) {
                    digest::know(directory.join(&file.name), file.stamp, hash);
                }
            }
        }
        unchanged
    }
}

/// The bytes that 64 digits of hex stand for.
fn bytes(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}
