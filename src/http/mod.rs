//! What every caller of a web service needs: a client that tries again, waiting for answers in synchronous code, and URLs without secrets.

mod client;
mod redact;
mod status;

pub use self::{
    client::{Auth, Client, ClientOptions, Reply, unreachable},
    redact::redacted,
    status::refused,
};

pub use reqwest::{Method, Response, StatusCode, header};

/// Runs a future to its end, on threads and a runtime of its own: it may be called from anywhere, inside another runtime and after a
/// fork too, and nothing of it is left behind.
///
/// # Panics
/// Where the future panics.
pub fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> crate::error::Result<T> {
    use crate::error::{Error, Kind};
    let failed =
        |error: std::io::Error| Error::new(Kind::ResourceExhausted, "THREADS", format!("no threads to wait on: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, |cores| usize::from(cores).min(4)))
        .thread_name("mlflight-http")
        .enable_all()
        .build()
        .map_err(failed)?;
    let done = std::thread::scope(|scope| {
        let waiting = std::thread::Builder::new().name("mlflight-http".into()).spawn_scoped(scope, || runtime.block_on(future));
        waiting.map(|waiting| waiting.join())
    });
    match done.map_err(failed)? {
        Ok(value) => Ok(value),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
