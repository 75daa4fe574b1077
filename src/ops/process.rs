//! The life of a server process: models are loaded, the address is bound, the server runs until a signal asks it to end.

use std::{io::Write, path::Path, sync::Arc};

use tokio::signal::unix::{SignalKind, signal};

use super::{Address, Host, HostOptions, Listener, lifeline};
use crate::{
    error::{Error, Kind, Result},
    models::{Models, ModelsOptions},
};

/// First word of the line a server prints when it can be reached; the address and the version follow.
pub const READY: &str = "ready";

/// A model and the name it is served under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedModel {
    /// What callers call it.
    pub name: String,
    /// Where it is.
    pub uri: String,
}

/// What a server process does.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The models it serves.
    pub models: Vec<NamedModel>,
    /// Bounds of what is loaded.
    pub bounds: ModelsOptions,
    /// Where it listens.
    pub address: Address,
    /// How it serves.
    pub host: HostOptions,
}

impl ServerOptions {
    /// Threads that do I/O. They score short batches too.
    fn io_threads(&self) -> usize {
        self.host.threads.max(2)
    }

    /// How many threads the process will have: for I/O, for scoring, and for loading models and following signals, standard input and
    /// workers.
    pub fn threads(&self) -> usize {
        self.io_threads() + self.host.threads + 8
    }
}

/// Runs a server until it is told to end: SIGTERM and SIGINT drain it, a second one ends it at once. `serve` answers on the listener
/// until the host is drained. Prints `ready ADDRESS mlflight VERSION` on standard output once connections are taken.
pub fn run<F>(options: &ServerOptions, serve: impl FnOnce(Arc<Host>, Listener) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let host = Arc::new(Host::new(Arc::new(Models::new(options.bounds.clone())), options.host.clone()));
    for NamedModel { name, uri } in &options.models {
        host.load(name, uri).map_err(|error| error.context(format!("model '{name}'")))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.io_threads())
        .thread_name("mlflight-io")
        .enable_all()
        .build()
        .map_err(|error| {
            Error::new(Kind::FailedPrecondition, "RUNTIME", format!("cannot start the runtime: {error}")).source(error)
        })?;
    runtime.block_on(async {
        let listener = Listener::bind(&options.address, options.host.token.is_some()).await?;
        drain_on_signals(host.clone())?;
        if options.host.rights.local {
            lifeline::follow_stdin(&options.address)?;
        }
        say_ready(listener.address(), options.host.tls.is_some())?;
        serve(host, listener).await
    })?;
    // Jobs that would not stop must not hold the process.
    runtime.shutdown_background();
    Ok(())
}

fn say_ready(address: &Address, tls: bool) -> Result<()> {
    let address = match tls {
        true => address.to_string().replacen("grpc://", "grpc+tls://", 1),
        false => address.to_string(),
    };
    let line = format!("{READY} {address} mlflight {}\n", env!("CARGO_PKG_VERSION"));
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()) {
        // Nobody waits for it.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Error::io(Path::new("stdout"), error)),
    }
}

fn drain_on_signals(host: Arc<Host>) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::new(Kind::Internal, "SIGNAL", format!("cannot watch signals: {error}")).source(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if again {
                std::process::exit(Kind::Cancelled.mapping().exit.into());
            }
            tracing::info!("draining");
            host.lifecycle().drain();
        }
    });
    Ok(())
}
