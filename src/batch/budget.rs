//! Divides `--memory-limit`, so that the rows being processed never exceed it.

use crate::error::{Error, Kind, Result};

const MIB: usize = 1 << 20;

/// Bytes of rows being processed without a limit: enough for many cores, and little for a machine that has them.
const UNLIMITED: usize = 512 * MIB;

/// The shares of a memory limit, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Rows of the part being written, from decoding until written.
    pub(super) head: usize,
    /// Rows of the parts decoded ahead of it.
    pub(super) ahead: usize,
    /// Encoded output the writer holds before it reaches the file.
    pub(super) writer: usize,
    /// DataFusion's memory pool, for `--sql`.
    pub(super) query: usize,
    /// How large one block of text or one decoded batch should be.
    pub(super) block: usize,
    /// Threads that score.
    pub(super) workers: usize,
}

impl Budget {
    /// Divides what `limit` leaves beside `used`, the memory that the process holds already (its code, the model).
    pub(super) fn divide(limit: Option<usize>, used: usize, workers: usize, query: bool) -> Result<Self> {
        let Some(limit) = limit else {
            return Ok(Self::of(UNLIMITED, workers, UNLIMITED * 4));
        };
        let least = used + 24 * MIB;
        let free = limit.saturating_sub(used);
        if limit < least {
            let message =
                format!("--memory-limit {} is too small: the process with the model holds {} already", show(limit), show(used));
            return Err(
                Error::new(Kind::ResourceExhausted, "MEMORY_LIMIT", message).remedy(format!("give at least {}", show(least)))
            );
        }
        // Half of what is free: the rest is overhead and fragmentation of the allocator.
        let workers = workers.min((free / (6 * MIB)).max(1));
        let pipeline = if query { free / 4 } else { free / 2 };
        Ok(Self::of(pipeline, workers, free / 3))
    }

    fn of(pipeline: usize, workers: usize, query: usize) -> Self {
        let share = pipeline / 4;
        let block = (pipeline / (workers * 8)).clamp(64 << 10, 2 * MIB);
        Self { head: share, ahead: share, writer: share, query, block, workers }
    }

    /// Rows of `row_bytes` each that make up one block.
    pub(super) fn rows(&self, row_bytes: usize) -> usize {
        (self.block / row_bytes.max(1)).clamp(64, 32 << 10)
    }
}

/// Resident memory of this process; 0 where it cannot be told.
pub(super) fn resident() -> usize {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| rest.split_whitespace().next());
    kilobytes.and_then(|text| text.parse::<usize>().ok()).map_or(0, |kilobytes| kilobytes << 10)
}

/// Parses a size: bytes, or a number with `K`, `M` or `G` (powers of 1024; `MB` and `MiB` mean the same).
pub fn parse_size(text: &str) -> Result<usize, String> {
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(format!("'{text}' is no size; write 512M or 4G")),
    };
    match number.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1e6 * (1u64 << 40) as f64 => Ok((value * (1u64 << shift) as f64) as usize),
        _ => Err(format!("'{text}' is no size; write 512M or 4G")),
    }
}

fn show(bytes: usize) -> String {
    format!("{}M", bytes.div_ceil(MIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_stay_within_the_limit() {
        for limit in [64, 128, 512, 4096] {
            for query in [false, true] {
                let budget = Budget::divide(Some(limit * MIB), 30 * MIB, 64, query).unwrap();
                let pool = if query { budget.query } else { 0 };
                assert!(30 * MIB + budget.head + budget.ahead + budget.writer + pool < limit * MIB);
                assert!(budget.block * budget.workers <= budget.head + budget.ahead, "{budget:?}");
            }
        }
        let error = Budget::divide(Some(40 * MIB), 30 * MIB, 1, false).unwrap_err();
        assert_eq!(error.kind(), Kind::ResourceExhausted);
        assert!(error.to_string().contains("54M"), "{error}");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("512M"), Ok(512 * MIB));
        assert_eq!(parse_size("1.5 GiB"), Ok(1536 * MIB));
        assert_eq!(parse_size("1000"), Ok(1000));
        for text in ["", "M", "-1", "12X", "0"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resident_memory_is_told() {
        assert!(resident() > MIB);
    }
}
