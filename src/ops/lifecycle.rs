//! How a server ends: it takes no new streams, lets the running ones end for a while, then stops what is left.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::error::{Error, Kind, Result};

/// How long streams that are told to stop have to tell their clients.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The running streams of a process, and whether it is to end.
#[derive(Default)]
pub struct Lifecycle {
    streams: TaskTracker,
    /// Set when the server should end: no new streams, health says so.
    draining: CancellationToken,
    /// Set when what is still running must end.
    stopped: CancellationToken,
}

impl Lifecycle {
    /// Runs a stream, which draining waits for.
    pub fn spawn<F>(&self, stream: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.streams.spawn(stream)
    }

    /// How many streams run.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Asks the server to end.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Refuses a new stream while the server ends.
    pub fn check_open(&self) -> Result<()> {
        if !self.draining.is_cancelled() {
            return Ok(());
        }
        let error = Error::new(Kind::Unavailable, "DRAINING", "the service is ending and takes no new streams");
        Err(error.remedy("try again, or another service"))
    }

    /// Waits until the server is asked to end.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Waits until what still runs must end.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Waits for the running streams to end, and stops those that have not within `patience`.
    pub async fn finish(&self, patience: Duration) {
        self.streams.close();
        if tokio::time::timeout(patience, self.streams.wait()).await.is_err() {
            self.stopped.cancel();
            let _ = tokio::time::timeout(LAST_WORDS, self.streams.wait()).await;
        }
    }

    /// Waits until connections that stay open without a stream hold the server up no longer.
    pub async fn overdue(&self, patience: Duration) {
        self.draining().await;
        tokio::time::sleep(patience + 2 * LAST_WORDS).await;
    }
}
