//! A directory of this machine as a place.

use std::{
    fs,
    ops::Range,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use crate::{
    error::{Error, Kind, Result},
    store::{
        place::{Entry, Part, Place},
        walk,
    },
};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Files below one directory.
pub(super) struct Local {
    root: PathBuf,
    shown: String,
}

impl Local {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { shown: root.display().to_string(), root }
    }
}

#[async_trait]
impl Place for Local {
    fn origin(&self) -> &str {
        &self.shown
    }

    async fn list(&self) -> Result<Vec<Entry>> {
        listed(&self.root)
    }

    async fn read(&self, name: &str, range: Option<Range<u64>>) -> Result<Part> {
        let path = super::below(&self.root, name)?;
        let mut file = tokio::fs::File::from_std(crate::file::open(&path)?);
        let failed = move |error| Error::io(&path, error);
        let Range { start, end } = range.unwrap_or(0..u64::MAX);
        file.seek(SeekFrom::Start(start)).await.map_err(&failed)?;
        let bytes = file.take(end.saturating_sub(start));
        let parts = stream::try_unfold((bytes, failed), |(mut bytes, failed)| async move {
            let mut chunk = Vec::with_capacity(CHUNK);
            match bytes.read_buf(&mut chunk).await {
                Ok(0) => Ok(None),
                Ok(_) => Ok(Some((Bytes::from(chunk), (bytes, failed)))),
                Err(error) => Err(failed(error)),
            }
        });
        Ok(parts.boxed())
    }

    async fn write(&self, name: &str, file: &Path) -> Result<()> {
        let path = super::below(&self.root, name)?;
        let directory = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(directory).map_err(|error| Error::io(directory, error))?;
        let mut builder = tempfile::Builder::new();
        // As any file: what the process's mask leaves.
        builder.prefix(".mlflight-").permissions(fs::Permissions::from_mode(0o666));
        let draft = builder.tempfile_in(directory).map_err(|error| Error::io(directory, error))?;
        let mut from = tokio::fs::File::from_std(crate::file::open(file)?);
        let handle = draft.as_file().try_clone().map_err(|error| Error::io(&path, error))?;
        let mut to = tokio::fs::File::from_std(handle);
        tokio::io::copy(&mut from, &mut to).await.map_err(|error| Error::io(&path, error))?;
        to.sync_all().await.map_err(|error| Error::io(&path, error))?;
        draft.persist(&path).map_err(|error| Error::io(&path, error.error))?;
        Ok(())
    }
}

/// The regular files below a directory, bounded and checked as those of a model.
pub fn listed(directory: &Path) -> Result<Vec<Entry>> {
    if !directory.is_dir() {
        let message = format!("there is no directory '{}'", directory.display());
        return Err(Error::new(Kind::NotFound, "MODEL_NOT_FOUND", message).remedy("check the path"));
    }
    let entry = |file: walk::File| Entry { version: Some(format!("{:?}", file.stamp)), name: file.name, size: file.size };
    Ok(walk::files(directory)?.into_iter().map(entry).collect())
}
