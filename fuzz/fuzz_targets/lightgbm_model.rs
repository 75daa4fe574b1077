//! Any bytes as a model of LightGBM, loaded and scored.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight_fuzz::load_and_score;

fuzz_target!(|bytes: &[u8]| {
    load_and_score(
        "lightgbm",
        "model.lgb",
        "    data: model.lgb\n    lgb_version: 4.7.0\n    model_class: lightgbm.basic.Booster\n",
        bytes,
    );
});
