//! Memory of batches on their way through a server.

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
///
/// A message's size is known only when it is here, so each stream may hold one, of at most the message cap, that has no room yet:
/// what is held at once never exceeds the limit and one message a stream.
pub struct Budget {
    permits: Arc<Semaphore>,
    units: usize,
    patience: Duration,
    gauge: Arc<Gauge>,
}

#[derive(Default)]
struct Gauge {
    bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

/// The memory of one batch, from its arrival until its answer has been taken; given back when dropped.
pub struct Held {
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
    gauge: Arc<Gauge>,
}

impl Held {
    /// What is counted.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts what another holds too.
    pub fn merge(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
        match (&mut self.permit, other.permit.take()) {
            (Some(permit), Some(more)) => permit.merge(more),
            (permit, more) => *permit = permit.take().or(more),
        }
    }

    /// Gives back all but so many bytes.
    pub fn shrink(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            return;
        }
        self.gauge.bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        self.bytes = bytes;
        if let Some(permit) = &mut self.permit {
            drop(permit.split(permit.num_permits().saturating_sub(bytes.div_ceil(UNIT))));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Budget {
    /// A budget of so many bytes, in which a batch waits for room for at most `patience`.
    pub fn new(bytes: usize, patience: Duration) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { permits: Arc::new(Semaphore::new(units)), units, patience, gauge: Arc::default() }
    }

    /// Counts a message that has come, with room for it where there is some at once.
    pub fn arrived(&self, bytes: usize) -> Held {
        let now = self.gauge.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.gauge.peak_bytes.fetch_max(now, Ordering::Relaxed);
        let permit = self.units_of(bytes).and_then(|units| self.permits.clone().try_acquire_many_owned(units).ok());
        Held { bytes, permit, gauge: self.gauge.clone() }
    }

    /// Counts more for what has come, such as what it decodes to. What can never have room is refused. Where there is none now the
    /// room it had goes to others, until [`Budget::admit`] finds room for all of it: who waits holds nothing that others wait for.
    pub fn grow(&self, held: &mut Held, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let total = held.bytes.saturating_add(bytes);
        let units = self.units_of(total).ok_or_else(|| self.refused(total))?;
        let now = self.gauge.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.gauge.peak_bytes.fetch_max(now, Ordering::Relaxed);
        held.bytes = total;
        let Some(mut permit) = held.permit.take() else { return Ok(()) };
        let missing = units.saturating_sub(permit.num_permits() as u32);
        if let Ok(more) = self.permits.clone().try_acquire_many_owned(missing) {
            permit.merge(more);
            held.permit = Some(permit);
        }
        Ok(())
    }

    /// Waits for room for what has come.
    pub async fn admit(&self, held: &mut Held) -> Result<()> {
        if held.permit.is_some() {
            return Ok(());
        }
        let refused = || self.refused(held.bytes);
        let units = self.units_of(held.bytes).ok_or_else(refused)?;
        let wait = self.permits.clone().acquire_many_owned(units);
        let permit = tokio::time::timeout(self.patience, wait).await.map_err(|_| refused())?.map_err(|_| refused())?;
        held.permit = Some(permit);
        Ok(())
    }

    fn refused(&self, bytes: usize) -> Error {
        let limit = self.units * UNIT;
        Error::new(
            Kind::ResourceExhausted,
            "MEMORY_LIMIT",
            format!("a batch of {bytes} bytes found no room: all batches together may hold {limit}"),
        )
        .remedy("send smaller batches or fewer at once, or raise --memory-limit")
    }

    /// Permits for so many bytes; `None` where there will never be room.
    fn units_of(&self, bytes: usize) -> Option<u32> {
        let units = bytes.div_ceil(UNIT);
        (units <= self.units).then_some(units as u32)
    }

    /// What is held now, and the most that was; `streams` is how many run.
    pub fn usage(&self, streams: usize) -> Usage {
        let read = |value: &AtomicUsize| value.load(Ordering::Relaxed);
        Usage { streams, bytes: read(&self.gauge.bytes), peak_bytes: read(&self.gauge.peak_bytes) }
    }
}
