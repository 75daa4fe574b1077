//! Any bytes as what a Flight client asks for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::request;

// Arrow's conversion of a schema may panic, which `read_schema` answers for: here only a panic that nobody catches is a crash, and not
// already the call of the hook that cargo-fuzz sets.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |bytes: &[u8]| {
    if let Ok(asked) = request::decode(bytes) {
        let _ = request::options(&asked);
    }
    let _ = request::read_schema(bytes);
});
