//! How far a download is, on the terminal of a command line.

use std::{
    io::IsTerminal as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

static SHOWN: AtomicBool = AtomicBool::new(false);

/// From now on downloads of this process show a bar on standard error, where that is a terminal. For command lines alone.
pub fn show_progress() {
    SHOWN.store(true, Ordering::Relaxed);
}

/// Whether this process is a command line.
pub(super) fn shown() -> bool {
    SHOWN.load(Ordering::Relaxed)
}

/// The bar of one download.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(bytes: u64, origin: &str) -> Self {
        if !shown() || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(bytes);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        // What a server calls a place does not steer the terminal.
        bar.set_message(origin.chars().filter(|c| !c.is_control()).collect::<String>());
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    pub(super) fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
