//! `sklearn.ensemble`

pub mod adaboost;
pub mod average;
pub mod bagging;
pub mod boosting;
pub mod forest;
pub mod gradient_boosting;
pub mod hist_gradient_boosting;
pub mod isolation_forest;
pub mod stacking;
pub mod voting;
