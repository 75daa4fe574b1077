//! From a model URI to a local, verified directory; a directory's digest; and one file that carries it to another machine.

mod digest;
mod pack;
mod resolve;
mod walk;

pub use self::{
    digest::{Digest, check, digest, measure},
    pack::{pack, unpack},
    resolve::{LocalModel, path, resolve, within},
};

#[cfg(test)]
mod tests;
