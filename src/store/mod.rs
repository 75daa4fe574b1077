//! From a model URI to a local, verified directory; a directory's digest; and one file that carries it to another machine.

mod digest;
mod file;
mod pack;
#[cfg(feature = "remote")]
mod place;
mod resolve;
mod walk;

pub use self::{
    digest::{Digest, check, digest, measure, remembered},
    file::{directory, path, within},
    pack::{pack, unpack},
    resolve::{Resolved, resolve},
};

#[cfg(feature = "remote")]
pub use self::place::{Entry, Part, Place};

#[cfg(test)]
mod tests;
