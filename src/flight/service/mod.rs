//! The Flight service: models by name, scored over `DoExchange`.

mod budget;
mod door;
mod environment;
mod exchange;
mod flight;
mod incoming;
mod info;
mod server;
mod tls;
mod trust;
mod upload;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Secret,
    error::Result,
    flavors::LoadOptions,
    models::{Models, Pool},
    score::Context,
};

use budget::Budget;
pub use budget::Usage;
#[cfg(fuzzing)]
pub use exchange::spec_of;
pub use server::{Address, Listener, serve};
pub use tls::TlsIdentity;

/// How a service runs. The defaults are those of the command line.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// Serves TLS alone, as who this says.
    pub tls: Option<TlsIdentity>,
    /// What callers must show; without one the service binds loopback and sockets alone.
    pub token: Option<Secret>,
    /// Largest message taken or sent.
    pub max_message_bytes: usize,
    /// Bytes of batches held at once, all streams together; beside it each stream may hold one message that has no room yet.
    pub memory_limit: usize,
    /// From the last byte of a batch to its answer.
    pub batch_timeout: Duration,
    /// How long an answer may stay unread while the next batch waits.
    pub stall_timeout: Duration,
    /// How long a batch waits for memory before it is refused.
    pub memory_timeout: Duration,
    /// How long streams may go on after the service was asked to end.
    pub drain_timeout: Duration,
    /// Threads that score native models.
    pub threads: usize,
    /// Batches that may wait for Python workers at once.
    pub python_permits: usize,
    /// How models are loaded where the caller may not say.
    pub load: LoadOptions,
    /// What callers may do beside scoring the models the service was started with.
    pub trust: Trust,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            tls: None,
            token: None,
            max_message_bytes: super::DEFAULT_MESSAGE_BYTES,
            memory_limit: 1 << 30,
            batch_timeout: Duration::from_secs(600),
            stall_timeout: Duration::from_secs(60),
            memory_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(30),
            threads,
            python_permits: 16 * threads,
            load: LoadOptions::default(),
            trust: Trust::default(),
        }
    }
}

/// Rights of callers. All of them need a token.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The caller is the user who started the service: it may load any URI, and its Python runtime is used.
    pub local: bool,
    /// URIs that start with one of these may be loaded by request.
    pub load_prefixes: Vec<String>,
    /// Models may be uploaded; they are kept here.
    pub upload: Option<PathBuf>,
    /// Requests may set environment variables of Python workers.
    pub extra_env: bool,
    /// The code of uploaded models may run.
    pub uploaded_code: bool,
}

/// A service before and while it is served; clones share it.
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
}

/// An upload as it comes, for the targets of fuzz/.
#[cfg(fuzzing)]
pub fn fuzz_upload(service: &Service, command: Vec<u8>, messages: Vec<arrow_flight::FlightData>) -> bool {
    let descriptor = arrow_flight::FlightDescriptor::new_cmd(command);
    let first = arrow_flight::FlightData { flight_descriptor: Some(descriptor), ..Default::default() };
    let sent = futures::stream::iter(std::iter::once(first).chain(messages).map(Ok));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.is_ok_and(|runtime| runtime.block_on(upload::receive(service.shared.clone(), sent)).is_ok())
}

struct Shared {
    options: ServiceOptions,
    models: Arc<Models>,
    native: Pool,
    python: Pool,
    budget: Budget,
    /// Held while an upload is put in its place.
    uploads: Mutex<()>,
    streams: TaskTracker,
    /// Set when the service should end: no new streams, health says so.
    draining: CancellationToken,
    /// Set when what is still running must end.
    stopped: CancellationToken,
}

impl Service {
    /// A service of these models.
    pub fn new(models: Arc<Models>, options: ServiceOptions) -> Self {
        let shared = Shared {
            native: Pool::new("mlflight-score", options.threads),
            python: Pool::new("mlflight-python", options.python_permits),
            budget: Budget::new(options.memory_limit, options.memory_timeout),
            uploads: Mutex::new(()),
            streams: TaskTracker::new(),
            draining: CancellationToken::new(),
            stopped: CancellationToken::new(),
            models,
            options,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Loads the model of a URI, warms it, so that a bad one fails here, and serves it under `name`. Blocks.
    pub fn load(&self, name: &str, uri: &str) -> Result<()> {
        let model = self.shared.load(uri, "", &self.shared.options.load)?;
        model.model.warm(&Context::default())?;
        self.shared.models.insert(name, model);
        Ok(())
    }

    /// What the running streams hold now, and the most they held at once.
    pub fn usage(&self) -> Usage {
        self.shared.budget.usage(self.shared.streams.len())
    }

    /// Asks the service to end: it takes no new stream, and [`serve`] returns when the running ones have ended.
    pub fn drain(&self) {
        self.shared.draining.cancel();
    }
}
