//! `sklearn.pipeline`

pub mod steps;
pub mod union;
