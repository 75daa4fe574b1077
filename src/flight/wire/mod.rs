//! Record batches as Flight messages: one batch is one record message, never split.

mod compressed;
mod decode;
mod encode;
mod expanded;
mod gather;

pub use decode::Decoder;
pub use encode::Encoder;
pub use gather::Gather;
pub(super) use gather::too_large;

#[cfg(test)]
mod gather_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
