//! Ctrl-C and SIGTERM ask the work to stop; what it wrote so far is removed.

use crate::{
    error::{Error, Kind, Result},
    score::CancelFlag,
};

/// A flag that the first Ctrl-C or SIGTERM sets; a second one ends the process at once.
pub(super) fn cancel_flag() -> Result<CancelFlag> {
    let failed = |error: std::io::Error| Error::new(Kind::Internal, "SIGNALS", "signals cannot be waited for").source(error);
    let cancel = CancelFlag::default();
    let flag = cancel.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?)
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if flag.is_cancelled() {
                    std::process::exit(i32::from(Kind::Cancelled.mapping().exit));
                }
                flag.cancel();
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map_err(failed)?;
    Ok(cancel)
}
