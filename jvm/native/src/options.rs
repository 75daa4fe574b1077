//! What the executor says when it opens a stream: `io.mlflight.spark.exec.StreamOptions` in bytes.

use std::{collections::HashMap, path::PathBuf};

use mlflight::{
    error::{Error, Kind, Result},
    request::Mode,
};

/// Where things lie on this machine, who asks, and how much of the machine is its own.
#[derive(Debug, Default)]
pub struct Options {
    /// Where the model is scored.
    pub mode: Mode,
    /// A service that runs elsewhere; `None`: the local one.
    pub server: Option<String>,
    pub token: Option<String>,
    pub ca: Option<PathBuf>,
    /// The program of the local service.
    pub service: PathBuf,
    /// The model's digest, empty when unknown.
    pub digest: String,
    /// The model as the driver sent it, and where to unpack it.
    pub archive: Option<PathBuf>,
    pub cache: PathBuf,
    /// Tasks that may run at once.
    pub threads: Option<usize>,
    /// OMP_NUM_THREADS of the service: what one task may use.
    pub omp: Option<String>,
    /// What Spark would have run the Python function with.
    pub python: String,
    pub path: Vec<String>,
    pub env: HashMap<String, String>,
    /// For the service's log.
    pub labels: HashMap<String, String>,
}

impl Options {
    /// Reads NUL-terminated keys and values in turn; unknown keys are a bug of the caller.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|error| broken(error.to_string()))?;
        let mut words = text.split_terminator('\0');
        let mut options = Self::default();
        while let Some(key) = words.next() {
            let value = words.next().ok_or_else(|| broken(format!("'{key}' has no value")))?.to_owned();
            match key {
                "mode" => options.mode = value.parse()?,
                "server" => options.server = Some(value),
                "token" => options.token = Some(value),
                "ca" => options.ca = Some(value.into()),
                "service" => options.service = value.into(),
                "digest" => options.digest = value,
                "archive" => options.archive = Some(value.into()),
                "cache" => options.cache = value.into(),
                "threads" => options.threads = Some(value.parse().map_err(|error| broken(format!("threads: {error}")))?),
                "omp" => options.omp = Some(value),
                "python" => options.python = value,
                "path" => options.path.push(value),
                _ => match key.split_once('.') {
                    Some(("env", name)) => drop(options.env.insert(name.into(), value)),
                    Some(("label", name)) => drop(options.labels.insert(name.into(), value)),
                    _ => return Err(broken(format!("'{key}' is not known"))),
                },
            }
        }
        Ok(options)
    }
}

fn broken(why: String) -> Error {
    Error::new(Kind::Internal, "BROKEN_OPTIONS", format!("the options of a stream cannot be read: {why}"))
}
