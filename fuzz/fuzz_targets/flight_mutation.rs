//! Real messages of every layout and codec, with some of their bytes changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mlflight::{flight::wire::Decoder, score::Context};
use mlflight_fuzz::messages;

const LIMIT: usize = 1 << 26;

fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |input: (u8, bool, Vec<(u16, u8)>)| {
    let (which, body, changes) = input;
    let (opening, records) = &messages()[usize::from(which) % messages().len()];
    let Ok(mut decoder) = Decoder::new(opening, 1 << 20) else { return };
    for message in records {
        let mut message = message.clone();
        let mut bytes = if body { message.data_body.to_vec() } else { message.data_header.to_vec() };
        for (at, value) in &changes {
            let length = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(usize::from(*at) % length) {
                *byte = *value;
            }
        }
        if body {
            message.data_body = bytes.into();
        } else {
            message.data_header = bytes.into();
        }
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
