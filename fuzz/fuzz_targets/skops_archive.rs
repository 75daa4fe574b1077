//! Any bytes as a skops archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::formats::skops;

fuzz_target!(|bytes: &[u8]| drop(skops::read(bytes)));
