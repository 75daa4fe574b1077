//! Any bytes as a model of XGBoost, loaded and scored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight_fuzz::load_and_score;

fuzz_target!(|bytes: &[u8]| {
    load_and_score(
        "xgboost",
        "model.ubj",
        "    data: model.ubj\n    xgb_version: 3.4.1\n    model_class: xgboost.core.Booster\n",
        bytes,
    );
});
