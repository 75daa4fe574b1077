//! Any bytes as the messages of a scoring stream: the opening one, then one of records or of a dictionary, with whatever codec it claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::{flight::wire::Decoder, score::Context};
use mlflight_fuzz::{flight_data, messages};

/// What a service would admit.
const LIMIT: usize = 1 << 26;

// arrow-ipc answers some messages with a panic, which the decoder answers for: see the target `spec`.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |input: (u8, Vec<(Vec<u8>, Vec<u8>)>)| {
    let (seed, parts) = input;
    // A schema of ours lets the records through that mutations of a schema would never reach.
    let opening = messages()[usize::from(seed) % messages().len()].0.clone();
    let Ok(mut decoder) = Decoder::new(&opening, 1 << 20) else { return };
    for (header, body) in parts {
        let message = flight_data(header, body);
        let _ = Decoder::new(&message, 1 << 20);
        match decoder.claim(&message) {
            Ok(claim) if claim <= LIMIT => {
                if let Ok(Some(batch)) = decoder.message(message, &Context::default()) {
                    let _ = decoder.growth(&batch, 0);
                }
            }
            _ => return,
        }
    }
});
