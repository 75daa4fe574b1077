//! Plain structs and blocks of columns become numbers. No files, no MLflow, no threads.
//!
//! A kernel has one portable form and, where it pays, one for the CPU's vector units ([`Path`]); all of them give the same bits.

pub mod block;
pub mod columns;
pub mod dense;
pub mod linear;
pub mod link;
pub mod neighbors;
pub mod pairs;
mod path;
mod prefetch;
pub mod pursuit;
pub mod response;
pub mod solve;
pub mod sparse;
pub mod special;
pub mod spline;
pub mod sum;
pub mod text;
pub mod trees;

pub use path::Path;

/// Rows worked on at a time: their columns stay in the first cache.
pub const BLOCK: usize = 256;

/// Places that so many rows take in a column: whole [`BLOCK`]s, at least one.
pub fn places(rows: usize) -> usize {
    rows.max(1).next_multiple_of(BLOCK)
}
