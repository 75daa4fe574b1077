//! Where Spark has a model scored.

use crate::config::named_values;

/// Where Spark has a model scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// By a scoring service: the one that each executor starts for itself, or one that is named.
    #[default]
    Service,
    /// Inside the executor's JVM.
    Embedded,
    /// By Spark's Python workers.
    Python,
}

named_values!(Mode, "mode", { Service => "service", Embedded => "embedded", Python => "python" });
