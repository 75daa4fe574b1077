//! Ctrl-C, SIGTERM and SIGHUP ask the work to stop; what it wrote so far is removed.

use std::time::Duration;

use crate::{
    batch,
    error::{Error, Kind, Result},
    score::CancelFlag,
};

/// How long the work may take to notice that it is to stop: some steps of a library, such as planning a query, ask nobody.
const GRACE: Duration = Duration::from_secs(5);

/// A flag that the first of these signals sets; a second one, or [`GRACE`] later, the process ends.
pub(super) fn cancel_flag() -> Result<CancelFlag> {
    let failed = |error: std::io::Error| Error::new(Kind::Internal, "SIGNALS", "signals cannot be waited for").source(error);
    let cancel = CancelFlag::default();
    let flag = cancel.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (mut interrupt, mut terminate, mut hangup, file_size) = {
        let _inside = runtime.enter();
        use tokio::signal::unix::{SignalKind, signal};
        // Under nohup a hangup is ignored, and stays so.
        let hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup()).map_err(failed)?) };
        let catch = |kind| signal(kind).map_err(failed);
        // A file beyond `ulimit -f` would end the process: with the signal caught, the write fails and is reported.
        let file_size = catch(SignalKind::from_raw(libc::SIGXFSZ))?;
        (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?, hangup, file_size)
    };
    let wait = move || {
        let _caught = file_size;
        runtime.block_on(async {
            let mut signalled = async || {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    () = next(hangup.as_mut()) => {}
                }
            };
            signalled().await;
            flag.cancel();
            let _ = tokio::time::timeout(GRACE, signalled()).await;
            batch::abandon();
            std::process::exit(i32::from(Kind::Cancelled.mapping().exit));
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map_err(failed)?;
    Ok(cancel)
}

/// Waits for the signal; for ever where it is not waited for.
async fn next(signal: Option<&mut tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is signal 1, the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
