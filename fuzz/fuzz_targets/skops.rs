//! A skops archive whose zip is sound: any schema, any arrays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::formats::skops;
use mlflight_fuzz::zip;

fuzz_target!(|files: (&[u8], &[u8], &[u8])| {
    let (schema, first, second) = files;
    drop(skops::read(&zip(&[("schema.json", schema), ("1.npy", first), ("2.npy", second)])));
});
