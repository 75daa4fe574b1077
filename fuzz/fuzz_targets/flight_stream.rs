//! Any bytes as the DATA frames of a stream, cut anywhere.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mlflight::flight::{service, wire::Gather};

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let mut gather = Gather::new(1 << 16);
    for piece in pieces {
        let mut piece = Bytes::from(piece);
        loop {
            match gather.take(&mut piece) {
                Ok(Some(message)) => {
                    assert!(message.data_body.len() <= 1 << 16);
                    let _ = service::spec_of(message.flight_descriptor.as_ref());
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
});
