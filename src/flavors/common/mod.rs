//! What several flavors need. A flavor imports nothing of another one: what two of them share is here.

pub mod answers;
pub mod boosting;
pub mod csr;
pub mod features;
pub mod files;
pub mod keys;
pub mod labels;
pub mod obstacle;
pub mod view;
