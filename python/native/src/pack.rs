//! Models as one file, the form in which Spark ships them, and models of other places on this machine.

use std::path::PathBuf;

use mlflight::store;
use pyo3::prelude::*;

use crate::errors::OrRaise;

/// Packs a model's directory into `out_dir/mlflight-model-<digest>.mlflight`; returns that path.
#[pyfunction]
pub fn pack_model(py: Python<'_>, directory: PathBuf, out_dir: PathBuf) -> PyResult<PathBuf> {
    py.detach(|| store::pack(&directory, &out_dir)).or_raise()
}

/// Unpacks such an archive below `cache_dir`, once a machine, checking the digest; returns the model's directory.
#[pyfunction]
pub fn unpack_model(py: Python<'_>, archive: PathBuf, digest: &str, cache_dir: PathBuf) -> PyResult<PathBuf> {
    py.detach(|| {
        let digest = store::Digest::parse(digest)?;
        store::unpack(&archive, &digest, &cache_dir)
    })
    .or_raise()
}

/// Brings what a URI names to this machine: into the cache, or into `destination`. Returns the directory.
#[pyfunction]
#[pyo3(signature = (uri, destination=None))]
pub fn fetch(py: Python<'_>, uri: &str, destination: Option<PathBuf>) -> PyResult<String> {
    py.detach(|| store::fetch(uri, destination.as_deref()).map(|path| path.display().to_string())).or_raise()
}
