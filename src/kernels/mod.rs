//! Computes predictions from plain structs and blocks of columns. No files, no MLflow, no threads.
//!
//! A kernel has one portable form and, where that is faster, forms for the vector units of the CPU ([`Path`]). All give the same
//! bits.

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

/// How many rows are worked on at a time, so that their columns stay in the first-level cache.
pub const BLOCK: usize = 256;

/// How many places a column of `rows` rows takes: a multiple of [`BLOCK`], at least one.
pub fn places(rows: usize) -> usize {
    rows.max(1).next_multiple_of(BLOCK)
}
