//! `mlflight._native`: scoring in the caller's process, and what the Python package needs to plan a Spark query.
//!
//! Starts no thread at import. Scoring releases the GIL.

mod errors;
mod model;
mod pack;
mod spec;
mod tracking;

use mlflight::{
    flavors::{Engine, EnvManager},
    request::Mode,
    score::Compat,
};
use pyo3::{prelude::*, types::PyTuple};

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("COMPATS", PyTuple::new(module.py(), Compat::NAMES)?)?;
    module.add("ENGINES", PyTuple::new(module.py(), Engine::NAMES)?)?;
    module.add("ENV_MANAGERS", PyTuple::new(module.py(), EnvManager::NAMES)?)?;
    module.add("MODES", PyTuple::new(module.py(), Mode::NAMES)?)?;
    module.add_class::<model::Model>()?;
    module.add_class::<model::Stream>()?;
    module.add_class::<spec::Spec>()?;
    module.add_function(wrap_pyfunction!(model::load_model, module)?)?;
    module.add_function(wrap_pyfunction!(model::load_spec, module)?)?;
    module.add_function(wrap_pyfunction!(spec::make_spec, module)?)?;
    module.add_function(wrap_pyfunction!(spec::load_key, module)?)?;
    module.add_function(wrap_pyfunction!(spec::check_server, module)?)?;
    module.add_function(wrap_pyfunction!(pack::fetch, module)?)?;
    module.add_function(wrap_pyfunction!(pack::pack_model, module)?)?;
    module.add_function(wrap_pyfunction!(pack::unpack_model, module)?)?;
    module.add_function(wrap_pyfunction!(tracking::start_run, module)?)?;
    module.add_function(wrap_pyfunction!(tracking::end_run, module)?)?;
    module.add_function(wrap_pyfunction!(tracking::log_directory, module)?)?;
    module.add_function(wrap_pyfunction!(tracking::log_artifacts, module)?)?;
    Ok(())
}
