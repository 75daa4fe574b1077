//! Ctrl-C, SIGTERM and SIGHUP ask the work to stop; what it wrote so far is removed.

use crate::{
    batch,
    error::{Error, Kind, Result},
    score::CancelFlag,
};

/// A flag that the first of these signals sets; a second one ends the process at once.
pub(super) fn cancel_flag() -> Result<CancelFlag> {
    let failed = |error: std::io::Error| Error::new(Kind::Internal, "SIGNALS", "signals cannot be waited for").source(error);
    let cancel = CancelFlag::default();
    let flag = cancel.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _inside = runtime.enter();
        use tokio::signal::unix::{SignalKind, signal};
        // Under nohup a hangup is ignored, and stays so.
        let hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup()).map_err(failed)?) };
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?, hangup)
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    () = next(hangup.as_mut()) => {}
                }
                if flag.is_cancelled() {
                    batch::abandon();
                    std::process::exit(i32::from(Kind::Cancelled.mapping().exit));
                }
                flag.cancel();
            }
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
