//! Reports the progress of a run.

use std::{
    io::IsTerminal as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// Receives the progress of a run.
pub trait Progress: Sync {
    /// The run begins. The total is in rows where that is known, else in bytes.
    fn start(&self, _rows: Option<u64>, _bytes: u64) {}

    /// Rows were written, which came from `bytes` bytes of input.
    fn advance(&self, _rows: u64, _bytes: u64) {}

    /// The run is over.
    fn finish(&self) {}
}

/// Reports nothing.
pub struct Quiet;

impl Progress for Quiet {}

/// A bar on standard error, when that is a terminal: rows, rows a second, time left.
pub struct Bar {
    bar: ProgressBar,
    rows: AtomicU64,
    by_rows: std::sync::atomic::AtomicBool,
}

impl Bar {
    /// A bar on a terminal, nothing elsewhere.
    pub fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        Self { bar, rows: AtomicU64::new(0), by_rows: false.into() }
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Bar {
    fn start(&self, rows: Option<u64>, bytes: u64) {
        self.by_rows.store(rows.is_some(), Ordering::Relaxed);
        self.bar.set_length(rows.unwrap_or(bytes).max(1));
        let template = match rows {
            Some(_) => "{wide_bar} {human_pos}/{human_len} rows, {per_sec}, {eta} left",
            None => "{wide_bar} {msg}, {eta} left",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.enable_steady_tick(Duration::from_millis(250));
    }

    fn advance(&self, rows: u64, bytes: u64) {
        let total = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        if self.by_rows.load(Ordering::Relaxed) {
            self.bar.inc(rows);
        } else {
            self.bar.inc(bytes);
            if !self.bar.is_hidden() {
                let rate = total as f64 / self.bar.elapsed().as_secs_f64().max(0.001);
                self.bar.set_message(format!("{total} rows, {rate:.0} rows/s"));
            }
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
