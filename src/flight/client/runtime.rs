//! Who drives a connection.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

use crate::{
    error::{Error, Kind, Result},
    score::CancelFlag,
};

/// How often a waiting call looks whether it was cancelled.
const POLL: Duration = Duration::from_millis(20);

/// Runs futures on the calling thread.
pub enum Driver {
    /// The calling thread drives its connection itself: no other thread, no hand-over (ENGINE: a fifth less CPU time).
    Own(Runtime),
    /// A thread of the process keeps the connections alive.
    Shared(Arc<Runtime>),
}

impl Driver {
    pub fn own() -> Result<Self> {
        Builder::new_current_thread().enable_all().build().map(Self::Own).map_err(failed)
    }

    pub fn shared() -> Result<Self> {
        // A fork leaves the runtime without its thread: the child makes its own, and leaks its copy, whose thread it cannot join.
        static RUNTIME: Mutex<Option<(u32, Arc<Runtime>)>> = Mutex::new(None);
        let mut slot = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if let Some((owner, runtime)) = &*slot
            && *owner == process
        {
            return Ok(Self::Shared(runtime.clone()));
        }
        if let Some(parents) = slot.take() {
            std::mem::forget(parents);
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("mlflight-client").enable_all().build();
        let runtime = Arc::new(runtime.map_err(failed)?);
        *slot = Some((process, runtime.clone()));
        Ok(Self::Shared(runtime))
    }

    /// Waits for a future, or until `cancel` is set from another thread.
    pub fn wait<T>(&self, cancel: &CancelFlag, work: impl Future<Output = Result<T>>) -> Result<T> {
        let cancelled = async {
            while !cancel.is_cancelled() {
                tokio::time::sleep(POLL).await;
            }
        };
        let either = async {
            tokio::select! {
                biased;
                result = work => result,
                () = cancelled => Err(Error::new(Kind::Cancelled, "CANCELLED", "scoring was cancelled")),
            }
        };
        match self {
            Self::Own(runtime) => runtime.block_on(either),
            Self::Shared(runtime) => runtime.block_on(either),
        }
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::new(Kind::FailedPrecondition, "RUNTIME", format!("cannot start a runtime: {error}")).source(error)
}
