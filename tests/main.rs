//! The one integration binary: every file beside this one is a suite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod layers;
mod mlmodel;
mod python_environments;
mod python_function;
mod python_workers;
#[allow(dead_code, reason = "each feature set uses a part of it")]
mod support;
