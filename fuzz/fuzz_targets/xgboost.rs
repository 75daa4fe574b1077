//! Any bytes as a model of XGBoost: JSON, UBJSON or binary.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::formats::xgboost;

fuzz_target!(|bytes: &[u8]| {
    drop(xgboost::read(bytes));
});
