//! From a model URI to a local, verified directory; a directory's digest; and one file that carries it to another machine.

#[cfg(feature = "remote")]
mod archive;
#[cfg(feature = "remote")]
mod cache;
#[cfg(feature = "remote")]
mod dbfs;
mod digest;
#[cfg(feature = "remote")]
mod download;
#[cfg(feature = "remote")]
mod fetch;
mod file;
mod lease;
#[cfg(feature = "remote")]
mod listing;
#[cfg(feature = "remote")]
mod mlflow;
#[cfg(feature = "remote")]
mod objects;
#[cfg(feature = "remote")]
mod outline;
mod pack;
#[cfg(feature = "remote")]
mod place;
#[cfg(feature = "remote")]
mod progress;
#[cfg(feature = "remote")]
mod remote;
mod resolve;
mod walk;
#[cfg(feature = "remote")]
mod web;

pub use self::{
    digest::{Digest, check, digest, measure, remembered},
    file::{directory, path, within},
    lease::Lease,
    pack::{pack, unpack},
    resolve::{Resolved, resolve},
};

#[cfg(feature = "remote")]
pub use self::{
    fetch::{copy, fetch},
    mlflow::{join, listed, writable},
    outline::{Outline, outline},
    place::{Entry, Part, Place},
    progress::show_progress,
    remote::{Location, is_remote, open},
};

#[cfg(test)]
mod tests;
