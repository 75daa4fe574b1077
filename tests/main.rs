//! The one integration binary: every file beside this one is a suite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "batch")]
mod batch;
#[cfg(feature = "batch")]
mod batch_cli;
#[cfg(feature = "batch")]
mod batch_flags;
#[cfg(feature = "batch")]
mod batch_memory;
#[cfg(feature = "sql")]
mod batch_sql;
#[cfg(feature = "sql")]
mod batch_tables;
#[cfg(feature = "flight")]
mod flight;
#[cfg(feature = "flight")]
mod flight_hostile;
#[cfg(feature = "flight")]
mod flight_limits;
#[cfg(feature = "flight")]
mod flight_local;
#[cfg(feature = "flight")]
mod flight_proto;
mod layers;
mod lightgbm;
mod lightgbm_versions;
mod mlmodel;
mod python_environments;
mod python_function;
mod python_workers;
mod refusals;
mod score_oracle;
#[cfg(feature = "flight")]
mod serve_cli;
mod sklearn;
#[cfg(feature = "batch")]
mod sklearn_trees;
#[allow(dead_code, reason = "each feature set uses a part of it")]
mod support;
mod xgboost;
mod xgboost_versions;
