//! What bounds the scoring of one batch: cancellation and a deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use crate::error::{Error, Kind, Result};

/// Set from any thread to stop work in progress; clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    /// Asks the work to stop at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether [`CancelFlag::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Bounds on the scoring of one batch. Kernels call [`Context::check`] between blocks of rows.
#[derive(Debug, Clone, Default)]
pub struct Context {
    cancel: CancelFlag,
    deadline: Option<Instant>,
    memory_limit: Option<usize>,
}

impl Context {
    /// A context that ends when `cancel` is set.
    pub fn new(cancel: CancelFlag) -> Self {
        Self { cancel, deadline: None, memory_limit: None }
    }

    /// The same with a point in time after which work stops.
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The same with a bound, in bytes, on what one batch may allocate beside its input.
    pub fn with_memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// The flag that cancels this work.
    pub fn cancel_flag(&self) -> &CancelFlag {
        &self.cancel
    }

    /// The point in time after which work stops.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// `Cancelled` or `DeadlineExceeded` once the work should stop.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(Kind::Cancelled, "CANCELLED", "scoring was cancelled"));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::new(Kind::DeadlineExceeded, "DEADLINE_EXCEEDED", "the batch was not scored before its deadline")
                .remedy("send smaller batches or raise the batch timeout"));
        }
        Ok(())
    }

    /// Refuses to allocate `bytes` where that is over the limit; called before the allocation.
    pub fn reserve(&self, bytes: usize) -> Result<()> {
        match self.memory_limit {
            Some(limit) if bytes > limit => Err(Error::new(
                Kind::ResourceExhausted,
                "MEMORY_LIMIT",
                format!("scoring the batch needs {bytes} bytes, the limit is {limit}"),
            )
            .remedy("send smaller batches or raise the memory limit")),
            _ => Ok(()),
        }
    }
}
