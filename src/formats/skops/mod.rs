//! skops archives: `schema.json`, a tree of nodes that name classes, and the arrays beside it as `.npy`. Read as data, like
//! pickles.

mod nodes;

use super::{invalid, objects::Graph, unread, zip::Archive};
use crate::error::Result;

/// Bytes of `schema.json`.
const MAX_SCHEMA: usize = 128 << 20;

/// Reads an archive.
pub fn read(bytes: &[u8]) -> Result<Graph> {
    let archive = Archive::open(bytes)?;
    let schema = archive.read("schema.json")?;
    if schema.len() > MAX_SCHEMA {
        return Err(unread(format!("a schema.json of {} bytes, at most {MAX_SCHEMA} are read", schema.len())));
    }
    // Its depth is bounded by the parser.
    let schema = serde_json::from_slice(&schema).map_err(|error| invalid(format!("schema.json: {error}")))?;
    nodes::read(&archive, &schema, bytes.len())
}

#[cfg(test)]
mod tests;
