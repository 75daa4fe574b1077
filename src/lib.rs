//! MLflow Models, scored in Rust over Arrow.
//!
//! One [`score::Scorer`] stands behind every front end (Spark, Flight, REST, SQL, the command line), so that one model gives one
//! answer everywhere. Data flows one way: `store` finds a model's directory, [`mlmodel`] reads what it says of itself,
//! `formats` and `kernels` parse and compute, [`flavors`] joins them into a [`score::Model`], [`models`] keeps what is loaded.

pub mod config;
pub mod error;
pub mod flavors;
pub mod mlmodel;
pub mod models;
#[cfg(feature = "ops")]
pub mod ops;
#[cfg(feature = "request")]
pub mod request;
pub mod score;
pub mod store;

// The targets of fuzz/ call the parsers themselves.
mod file;
#[cfg(fuzzing)]
pub mod formats;
#[cfg(not(fuzzing))]
mod formats;
mod kernels;
mod memory;
pub mod python;

#[cfg(feature = "batch")]
pub mod batch;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "flight")]
pub mod flight;
