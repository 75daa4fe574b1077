//! One file on its way into an object store: all of its bytes are sent first, and it appears when the upload is completed.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, path::Path as Key};
use tokio::io::AsyncReadExt;

use super::errors;
use crate::error::{Error, Result};

/// Bytes of a part. Stores take 10,000 parts, so larger files have larger ones.
const PART: u64 = 16 << 20;

/// Parts that are sent side by side.
const PARTS_AT_ONCE: usize = 4;

/// A file whose bytes are all with the store.
pub(in crate::store) struct Upload {
    store: Arc<dyn ObjectStore>,
    at: Key,
    shown: String,
    parts: Box<dyn MultipartUpload>,
}

impl Upload {
    /// Sends the bytes of a file. On failure nothing is left in the store.
    pub(super) async fn send(store: Arc<dyn ObjectStore>, at: Key, file: &Path, shown: String) -> Result<Self> {
        let failed = |error: object_store::Error| errors::translate(&shown, "", &error);
        let mut parts = store.put_multipart(&at).await.map_err(failed)?;
        if let Err(error) = send(parts.as_mut(), file, &shown).await {
            // What cannot be taken back now is left to the store's own clean-up; the first failure is what counts.
            let _ = parts.abort().await;
            return Err(error);
        }
        Ok(Self { store, at, shown, parts })
    }

    /// Makes the file appear.
    pub(in crate::store) async fn complete(mut self) -> Result<()> {
        match self.parts.complete().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let _ = self.parts.abort().await;
                Err(errors::translate(&self.shown, "", &error))
            }
        }
    }

    /// What removes the file once it has appeared.
    pub(in crate::store) fn undo(&self) -> impl Future<Output = ()> + Send + use<> {
        let (store, at) = (self.store.clone(), self.at.clone());
        async move {
            let _ = store.delete(&at).await;
        }
    }

    /// Gives the sent bytes up.
    pub(in crate::store) async fn abort(mut self) {
        let _ = self.parts.abort().await;
    }
}

async fn send(parts: &mut dyn MultipartUpload, file: &Path, shown: &str) -> Result<()> {
    let unreadable = |error| Error::io(file, error);
    let mut source = tokio::fs::File::open(file).await.map_err(unreadable)?;
    let size = source.metadata().await.map_err(unreadable)?.len();
    let part = PART.max(size.div_ceil(9_000));
    let mut sending = FuturesUnordered::new();
    let mut left = size;
    loop {
        if sending.len() == PARTS_AT_ONCE || left == 0 {
            match sending.next().await {
                Some(Err(error)) => return Err(errors::translate(shown, "", &error)),
                Some(Ok(())) => {}
                None => return Ok(()),
            }
            continue;
        }
        let mut bytes = vec![0; part.min(left) as usize];
        source.read_exact(&mut bytes).await.map_err(unreadable)?;
        left -= bytes.len() as u64;
        sending.push(parts.put_part(PutPayload::from(Bytes::from(bytes))));
    }
}
