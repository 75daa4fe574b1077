//! Python workers: CPython processes that score what has no native kernel.
//!
//! A [`Pool`] belongs to one model in one [`Environment`]. Its workers run the program in `worker/`, talk Arrow IPC over a socket,
//! hold one batch at a time, and end with this process.

mod build;
mod environment;
mod pool;
mod process;
mod worker;

use arrow::{
    datatypes::{DataType, Field, Schema},
    ipc::writer::StreamWriter,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::{Map, Value};

pub use environment::{Environment, Manager, Restored};
pub use pool::{Pool, PoolOptions};

use crate::{
    error::Result,
    mlmodel::json,
    score::{Compat, SessionOptions},
};

/// What a worker loads and how it calls it; the first thing it is told.
#[derive(Debug, Clone, Serialize, Default)]
pub struct Program {
    /// The model's directory.
    pub directory: String,
    /// Module with `_load_pyfunc`.
    pub loader: String,
    /// Path given to it.
    pub data: String,
    /// The model's flavors, for a loader of MLflow's where MLflow is not installed.
    pub flavors: Map<String, Value>,
    /// Directory of the model's own code, first on `sys.path`.
    pub code: Option<String>,
    /// Directories on `sys.path` after it.
    pub path: Vec<String>,
    /// The flavor's `config`.
    pub config: Option<Value>,
    /// The caller's values for keys of `config`.
    pub overrides: Option<Map<String, Value>>,
    /// Method that predicts; `predict` when `None`.
    pub predict_fn: Option<String>,
    /// Whether the columns have numbers for names.
    pub unnamed: bool,
    /// The declared columns, as MLflow writes them in a signature.
    pub columns: Option<Value>,
    /// The declared tensors, in the order of the columns.
    pub tensors: Option<Vec<Tensor>>,
    /// Whether a frame is turned into the form of the model's input example.
    pub example: bool,
}

/// One declared tensor.
#[derive(Debug, Clone, Serialize)]
pub struct Tensor {
    /// Absent for a single unnamed one.
    pub name: Option<String>,
    /// numpy's name of the element type.
    pub dtype: String,
    /// The shape; -1 is any size.
    pub shape: Vec<i64>,
}

/// What goes with every batch of a session, as the bytes that are sent.
#[derive(Debug, Clone)]
pub struct Request(Vec<u8>);

impl Request {
    /// What a session is bound to, and the names of those params that are points in time.
    pub fn new(options: &SessionOptions, datetimes: &[String]) -> Result<Self> {
        let schema = |kind: &DataType| -> Result<String> {
            let schema = Schema::new(vec![Field::new("result", kind.clone(), true)]);
            let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
            writer.finish()?;
            Ok(BASE64_STANDARD.encode(writer.into_inner()?))
        };
        let header = serde_json::json!({
            "params": options.params,
            "datetimes": datetimes,
            "result": options.result.as_ref().map(schema).transpose()?,
            "declared": options.declared.as_ref().map(schema).transpose()?,
            "exact": options.compat == Compat::Exact,
        });
        Ok(Self(json::dump(&header).into_bytes()))
    }
}
