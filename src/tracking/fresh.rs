//! Ids, times and names for new records.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Kind, Result};

/// 32 random digits of hex, as MLflow names runs and models.
pub(super) fn id() -> Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(Kind::FailedPrecondition, "NO_RANDOMNESS", format!("no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// A name for a run that nobody named.
pub(super) fn run_name(id: &str) -> String {
    format!("mlflight-{}", id.get(..8).unwrap_or(id))
}
