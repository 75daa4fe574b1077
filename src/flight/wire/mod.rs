//! Record batches as Flight messages: one batch is one record message, never split.

mod decode;
mod encode;
mod gather;

pub(super) use decode::Decoder;
pub(super) use encode::Encoder;
pub(super) use gather::{Gather, too_large};

#[cfg(test)]
mod gather_tests;
#[cfg(test)]
mod tests;
