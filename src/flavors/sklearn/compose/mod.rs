//! `sklearn.compose`

pub mod column_transformer;
pub mod target;
