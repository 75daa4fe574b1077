//! Record batches as Flight messages: one batch is one record message, never split.

mod decode;
mod encode;

pub(super) use decode::Decoder;
pub(super) use encode::Encoder;

#[cfg(test)]
mod tests;
