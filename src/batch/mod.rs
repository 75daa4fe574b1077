//! Batch scoring: files in, files out, in the order of their rows and within a memory limit.
//!
//! A [`Job`] passes through once:
//!
//! ```text
//! Job ─► plan ─► learn ─► pipeline ───────────────────────► commit
//!        read::Input      Source ─ decode ─ score ─ encode    the output gets its name
//!        write::Layout                              └► Sink
//! ```
//!
//! The plan decides which rows are read (`read`, or `sql` for a query) and which columns the output has. Where the model does not know the
//! type of its answers, a first batch is scored to learn it. The pipeline reads, scores and encodes on every core and hands the rows in order
//! to the output files (`write`), which get their name once all are written.

mod budget;
mod compression;
mod format;
mod job;
mod learn;
mod pipeline;
mod plan;
mod progress;
mod read;
#[cfg(feature = "remote")]
mod remote;
mod run;
#[cfg(feature = "sql")]
mod sql;
mod subject;
mod write;

pub use budget::parse_size;
pub use format::{Format, parse_delimiter};
pub use job::{Job, Output};
pub use progress::{Bar, Progress, Quiet};
pub use run::{Summary, run};
pub use subject::Subject;
pub use write::abandon;
