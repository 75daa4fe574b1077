//! What every server of this process needs, whatever protocol it speaks: where it listens, TLS, tokens, the memory of batches, the threads
//! that score, and how it ends.
//!
//! A [`Host`] holds what the protocols share. [`run`] is the life of a server process; the protocol itself is handed to it.

mod host;
mod lifecycle;
mod lifeline;
mod listener;
mod memory;
mod pool;
mod process;
mod tls;
mod token;

pub use host::{Host, HostOptions};
pub use lifecycle::Lifecycle;
pub use listener::{Address, Listener, Socket};
pub use memory::{Budget, Held, Usage};
pub use pool::{Guest, Pool};
pub use process::{NamedModel, READY, ServerOptions, run};
pub use tls::TlsIdentity;
pub use token::{bearer, token_from_file, token_from_stdin};
