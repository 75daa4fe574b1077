//! MLflow Models, scored in Rust over Arrow.
//!
//! One [`score::Scorer`] stands behind every front end (Spark, Flight, SQL, the command line), so that one model gives one answer
//! everywhere. Data flows one way: [`store`] finds a model's directory, [`mlmodel`] reads what it says of itself, `formats` and `kernels`
//! parse and compute, [`flavors`] joins them into a [`score::Model`], [`models`] keeps what is loaded.
//!
//! ```
//! use std::{path::Path, sync::Arc};
//!
//! use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
//! use arrow::datatypes::Float64Type;
//! use mlflight::{flavors::LoadOptions, mlmodel::MlModel, models::LoadedModel, score::{Context, ScoreOptions}};
//!
//! // A model as MLflow lays it out: a directory with an MLmodel file, and here a tree model of LightGBM.
//! let directory = tempfile::tempdir()?;
//! let data = Path::new("tests/data/lightgbm/4.6.0/linear.lgb");
//! std::fs::copy(data, directory.path().join("model.lgb"))?;
//! let mut mlmodel = MlModel::new();
//! let keys = [("data", "model.lgb"), ("lgb_version", "4.6.0"), ("model_class", "lightgbm.basic.Booster")];
//! mlmodel.add_flavor("lightgbm", keys);
//! mlmodel.save(directory.path())?;
//!
//! let model = LoadedModel::load(&directory.path().display().to_string(), &LoadOptions::default())?;
//! let column = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
//! let rows = RecordBatch::try_from_iter([
//!     ("f0", column(-0.312)),
//!     ("f1", column(0.729)),
//!     ("f2", column(0.218)),
//!     ("f3", column(-0.899)),
//!     ("f4", column(-2.487)),
//! ])?;
//! let mut session = model.scorer(ScoreOptions::default())?.open(&rows.schema())?;
//! let answer = session.score(&rows, &Context::default())?;
//! // What LightGBM itself answers.
//! assert_eq!(answer["prediction"].as_primitive::<Float64Type>().value(0), -0.465_482_265_910_427_13);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! The core loads and scores models in the caller's process; everything else can be left out.
//!
//! | feature | what it adds | by way of |
//! |---|---|---|
//! | `batch` | files in, files out, in order and within a memory limit | parquet |
//! | `sql` | queries over those files, with `predict(…)` as a function | DataFusion |
//! | `remote` | models in object stores, on web servers and MLflow's servers, and a cache of them | object_store, reqwest, rusqlite |
//! | `request` | what a caller asks for, in its wire form | prost |
//! | `ops` | what every server needs: listening, TLS, memory, threads, ending | tokio |
//! | `flight` | the Arrow Flight service and its client | tonic |
//! | `cli` | the command line | clap |
#![warn(missing_docs)]

pub mod config;
pub mod error;
pub mod flavors;
pub mod mlmodel;
pub mod models;
#[cfg(feature = "ops")]
pub mod ops;
pub mod python;
#[cfg(feature = "request")]
pub mod request;
pub mod score;
pub mod store;

mod file;
#[cfg(feature = "remote")]
pub mod http;
#[cfg(feature = "remote")]
pub mod publish;
#[cfg(feature = "remote")]
pub mod tracking;
// The targets of fuzz/ call the parsers themselves.
#[cfg(fuzzing)]
pub mod formats;
#[cfg(not(fuzzing))]
mod formats;
mod kernels;
mod memory;

#[cfg(feature = "batch")]
pub mod batch;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "flight")]
pub mod flight;
