//! One stretch of a file: asked for, written where it belongs, and asked for again from where it broke off.

use std::{fs::File, os::unix::fs::FileExt, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;

use super::{Download, disk, state::Parts};
use crate::{
    error::{Error, Kind, Result},
    store::place::Entry,
};

/// How often a stretch is asked for that does not get on.
const ATTEMPTS: u32 = 5;

/// Bytes after which a stretch has got on.
const PROGRESS: u64 = 1 << 20;

/// The first pause before a stretch is asked for again; each further one is twice as long, give or take.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A connection from which nothing comes for so long is lost.
const SILENCE: Duration = Duration::from_secs(60);

/// A part of a file that is being read.
pub(super) struct Span<'a> {
    pub(super) entry: &'a Entry,
    pub(super) path: &'a Path,
    pub(super) file: &'a Arc<File>,
    pub(super) parts: &'a Arc<Parts>,
    /// Number of the part.
    pub(super) at: usize,
}

impl Span<'_> {
    /// Reads the part to its end. `seen` is given every byte of it, in order, where the part is read from its beginning.
    pub(super) async fn fetch(&self, download: &Download, seen: &mut (dyn FnMut(&[u8]) + Send)) -> Result<()> {
        let mut attempts = 0;
        let mut since = 0;
        while !self.parts.complete(self.at) {
            let before = self.parts.bytes(self.at);
            let Err(error) = self.read(download, seen).await else { break };
            since += self.parts.bytes(self.at).saturating_sub(before);
            if since >= PROGRESS {
                (attempts, since) = (0, 0);
            }
            attempts += 1;
            if error.kind() != Kind::Unavailable || attempts >= ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(file = self.entry.name, %error, "a download is continued");
            tokio::time::sleep(jittered(FIRST_PAUSE * 2u32.pow(attempts - 1))).await;
        }
        Ok(())
    }

    async fn read(&self, download: &Download, seen: &mut (dyn FnMut(&[u8]) + Send)) -> Result<()> {
        let span = self.parts.span(self.at);
        let begin = span.start + self.parts.bytes(self.at);
        // A file that is read in one go is asked for as a whole.
        let range = (begin > 0 || self.parts.count() > 1).then_some(begin..span.end);
        let broken = |what: &str| {
            let message = format!("'{}/{}': {what}", download.place.origin(), self.entry.name);
            Error::new(Kind::Unavailable, "CONNECTION_LOST", message).remedy("try again: what has arrived is kept")
        };
        let open = |range| async {
            let opened = tokio::time::timeout(2 * SILENCE, download.place.read_entry(self.entry, range));
            opened.await.unwrap_or_else(|_| Err(broken("the server did not answer in time")))
        };
        let (mut stream, mut at) = match open(range).await {
            Ok(stream) => (stream, begin),
            // What is there already is read once more, and left out.
            Err(error) if error.code() == "NO_RANGES" && begin > 0 => (open(None).await?, 0),
            Err(error) => return Err(error),
        };
        loop {
            let next = tokio::time::timeout(SILENCE, stream.next()).await;
            let Some(bytes) = next.map_err(|_| broken("nothing more arrived"))? else { break };
            let mut bytes: Bytes = bytes?;
            if at < begin {
                let known = bytes.split_to(bytes.len().min((begin - at) as usize));
                at += known.len() as u64;
                if bytes.is_empty() {
                    continue;
                }
            }
            if at + bytes.len() as u64 > self.entry.size {
                let message = format!("'{}/{}': more bytes than were listed", download.place.origin(), self.entry.name);
                return Err(Error::new(Kind::FailedPrecondition, "MODEL_CHANGED", message).remedy("try again"));
            }
            self.file.write_all_at(&bytes, at).map_err(|error| disk(self.path, error))?;
            seen(&bytes);
            at += bytes.len() as u64;
            self.parts.arrive(self.at, at - span.start)?;
            download.arrived(bytes.len() as u64);
        }
        if at < span.end {
            return Err(broken("the connection broke off in mid file"));
        }
        Ok(())
    }
}

/// A pause of about this length: many clients must not come back at once.
fn jittered(pause: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let spread = RandomState::new().hash_one(0u8) % 1000;
    pause.mul_f64(0.5 + spread as f64 / 1000.0)
}
