//! Any bytes as what a Flight client asks for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::flight::spec;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(asked) = spec::decode(bytes) {
        let _ = spec::options(&asked);
    }
    let _ = spec::read_schema(bytes);
});
