//! Any bytes as the pickle of an estimator, loaded and scored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight_fuzz::load_and_score;

fuzz_target!(|bytes: &[u8]| {
    load_and_score("sklearn", "model.pkl", "    pickled_model: model.pkl\n    sklearn_version: 1.9.1\n", bytes);
});
