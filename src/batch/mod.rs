//! Batch scoring: files in, files out, in the order of their rows and within a memory limit.
//!
//! A [`Job`] passes through once:
//!
//! ```text
//! Job ─ plan ─► read::Input + write::Layout ─ learn ─► pipeline ─► write::Writer ─ commit ─► output
//!                (read/ or sql/)                        Source ─ decode ─ score ─ encode ─► Sink
//! ```
//!
//! [`plan`] lists the files and decides how they are read; [`learn`] scores a first batch where the model does not know the type of its
//! answers; the [`pipeline`] reads, scores and encodes on every core and hands the rows in order to the output files; the writer gives
//! the output its name once all is written.

mod budget;
mod format;
mod job;
mod learn;
mod pipeline;
mod plan;
mod progress;
mod read;
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
