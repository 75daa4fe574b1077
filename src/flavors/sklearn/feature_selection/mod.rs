//! `sklearn.feature_selection`

pub mod by_model;
pub mod filters;
