//! Memory of batches on their way through the service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Kind, Result};

/// One permit of the semaphore: a `u32` of them must reach the limit.
const UNIT: usize = 4096;

/// What streams hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Running streams.
    pub streams: usize,
    /// Bytes of batches that are held now.
    pub bytes: usize,
    /// The most that was held at once.
    pub peak_bytes: usize,
}

/// Bytes that all streams share. A batch that finds no room waits, which stops its stream from reading on; after a while it is refused.
pub struct Budget {
    permits: Arc<Semaphore>,
    units: usize,
    peak_units: AtomicUsize,
    patience: Duration,
}

/// Gives its bytes back when dropped.
pub type Held = OwnedSemaphorePermit;

impl Budget {
    pub fn new(bytes: usize, patience: Duration) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { permits: Arc::new(Semaphore::new(units)), units, peak_units: AtomicUsize::new(0), patience }
    }

    /// Waits for room for `bytes`.
    pub async fn hold(&self, bytes: usize) -> Result<Held> {
        let units = bytes.div_ceil(UNIT);
        let refused = || {
            let limit = self.units * UNIT;
            Error::new(
                Kind::ResourceExhausted,
                "MEMORY_LIMIT",
                format!("a batch of {bytes} bytes found no room: all batches together may hold {limit}"),
            )
            .remedy("send smaller batches or fewer at once, or raise --memory-limit")
        };
        if units > self.units {
            return Err(refused());
        }
        let wait = self.permits.clone().acquire_many_owned(units as u32);
        let held = tokio::time::timeout(self.patience, wait).await.map_err(|_| refused())?.map_err(|_| refused())?;
        self.peak_units.fetch_max(self.units - self.permits.available_permits(), Ordering::Relaxed);
        Ok(held)
    }

    pub fn usage(&self, streams: usize) -> Usage {
        Usage {
            streams,
            bytes: (self.units - self.permits.available_permits()) * UNIT,
            peak_bytes: self.peak_units.load(Ordering::Relaxed) * UNIT,
        }
    }
}
