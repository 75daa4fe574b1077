//! Any bytes as a pickle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::formats::pickle;

fuzz_target!(|bytes: &[u8]| drop(pickle::read(bytes.to_vec())));
