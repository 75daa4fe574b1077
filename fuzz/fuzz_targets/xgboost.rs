//! Any bytes as a model of XGBoost, JSON or UBJSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::formats::xgboost;

fuzz_target!(|bytes: &[u8]| {
    if xgboost::is_document(bytes) {
        drop(xgboost::read(bytes));
    }
});
