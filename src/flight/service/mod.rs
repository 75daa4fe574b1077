//! The Flight service: models by name, scored over `DoExchange`.

mod exchange;
mod flight;
mod incoming;
mod info;
mod router;
mod server;
mod upload;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tonic::metadata::MetadataMap;

use crate::{
    error::Result,
    models::{LoadedModel, ModelRequest},
    ops::{Host, bearer},
    request::{self, proto::ScoreSpec},
    score::ScoreOptions,
};

#[cfg(fuzzing)]
pub use exchange::spec_of;
pub use server::serve;

/// What the protocol adds to how its [`Host`] serves. The defaults are those of the command line.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// Largest message taken or sent.
    pub max_message_bytes: usize,
    /// How long an answer may stay unread while the next batch waits.
    pub stall_timeout: Duration,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self { max_message_bytes: super::DEFAULT_MESSAGE_BYTES, stall_timeout: Duration::from_secs(60) }
    }
}

/// A service before and while it is served; clones share it.
#[derive(Clone)]
pub struct Service {
    shared: Arc<ServiceCore>,
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

struct ServiceCore {
    host: Arc<Host>,
    options: ServiceOptions,
    /// Held while an upload is put in its place.
    uploads: Mutex<()>,
}

impl Service {
    /// A service of what `host` has.
    pub fn new(host: Arc<Host>, options: ServiceOptions) -> Self {
        Self { shared: Arc::new(ServiceCore { host, options, uploads: Mutex::new(()) }) }
    }
}

impl ServiceCore {
    /// Refuses callers without the token, where there is one.
    fn authorize(&self, metadata: &MetadataMap) -> Result<()> {
        let header = metadata.get("authorization").map(|value| value.as_bytes());
        self.host.rights().authorize(bearer(header))
    }

    /// The model that a spec names, as far as the caller may have it, and how to score with it. Blocks while a model is loaded.
    fn resolve(&self, spec: &ScoreSpec) -> Result<(Arc<LoadedModel>, ScoreOptions)> {
        let (load, score) = request::options(spec)?;
        let asked = ModelRequest { uri: &spec.uri, digest: &spec.digest, load, extra_env: &spec.extra_env };
        Ok((self.host.rights().resolve(asked)?, score))
    }
}
