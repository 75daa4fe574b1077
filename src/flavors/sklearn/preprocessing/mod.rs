//! `sklearn.preprocessing`

pub mod discretizer;
pub mod encoders;
pub mod function;
pub mod normalizer;
pub mod polynomial;
pub mod power;
pub mod quantile;
pub mod scalers;
pub mod splines;
