//! `sklearn.impute`

pub mod knn;
pub mod simple;
