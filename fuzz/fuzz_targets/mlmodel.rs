//! Any bytes as an `MLmodel` file; what is read is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::mlmodel::MlModel;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = MlModel::parse_bytes(bytes)
        && let Ok(text) = model.to_yaml()
    {
        assert_eq!(MlModel::parse(&text).expect("what was written is read"), model);
    }
});
