//! What the protocols of one process share.

use std::{sync::Arc, time::Duration};

use super::{Budget, Lifecycle, Pool, TlsIdentity, Usage};
use crate::{
    config::Secret,
    error::Result,
    flavors::LoadOptions,
    models::{Models, Rights, RightsOptions},
    score::Context,
};

/// How a process serves models. The defaults are those of the command line.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Serves TLS alone, with this certificate.
    pub tls: Option<TlsIdentity>,
    /// What callers must show; without one the process listens on loopback addresses and Unix sockets alone.
    pub token: Option<Secret>,
    /// Bytes of batches held at once, all streams together; beside it each stream may hold one message that has no room yet.
    pub memory_limit: usize,
    /// How long a batch waits for memory before it is refused.
    pub memory_timeout: Duration,
    /// From the last byte of a batch to its answer.
    pub batch_timeout: Duration,
    /// How long streams may go on after the process was asked to end.
    pub drain_timeout: Duration,
    /// Threads that score native models.
    pub threads: usize,
    /// Batches that may wait for Python workers at once.
    pub python_permits: usize,
    /// How models are loaded where the caller may not say.
    pub load: LoadOptions,
    /// What callers may do beside scoring the models that are served.
    pub rights: RightsOptions,
}

impl Default for HostOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            tls: None,
            token: None,
            memory_limit: 1 << 30,
            memory_timeout: Duration::from_secs(10),
            batch_timeout: Duration::from_secs(600),
            drain_timeout: Duration::from_secs(30),
            threads,
            python_permits: 16 * threads,
            load: LoadOptions::default(),
            rights: RightsOptions::default(),
        }
    }
}

/// The models of a process with the rights, the memory and the threads that all its servers share.
pub struct Host {
    options: HostOptions,
    models: Arc<Models>,
    rights: Rights,
    memory: Budget,
    lifecycle: Lifecycle,
    native: Pool,
    python: Pool,
}

impl Host {
    /// A host of these models.
    pub fn new(models: Arc<Models>, options: HostOptions) -> Self {
        Self {
            rights: Rights::new(models.clone(), options.token.clone(), options.load.clone(), options.rights.clone()),
            memory: Budget::new(options.memory_limit, options.memory_timeout),
            lifecycle: Lifecycle::default(),
            native: Pool::new("mlflight-score", options.threads),
            python: Pool::new("mlflight-python", options.python_permits),
            models,
            options,
        }
    }

    /// Loads the model of a URI, warms it, so that a bad one fails here, and serves it under `name`. Blocks.
    pub fn load(&self, name: &str, uri: &str) -> Result<()> {
        let model = self.models.load(uri, "", &self.options.load)?;
        model.model.warm(&Context::default())?;
        self.models.insert(name, model);
        Ok(())
    }

    /// How it serves.
    pub fn options(&self) -> &HostOptions {
        &self.options
    }

    /// The models that are loaded.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// What callers may do.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// The memory of batches on their way.
    pub fn memory(&self) -> &Budget {
        &self.memory
    }

    /// Streams that run, and whether they should end.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// The threads that score native models, or the places for batches that wait for Python workers, which never keep native models
    /// from their threads.
    pub fn pool(&self, python: bool) -> &Pool {
        if python { &self.python } else { &self.native }
    }

    /// What the running streams hold now, and the most they held at once.
    pub fn usage(&self) -> Usage {
        self.memory.usage(self.lifecycle.streams())
    }
}
