//! Between options and their wire form, [`ScoreSpec`].

use std::{collections::HashMap, path::PathBuf, str::FromStr};

use prost::Message;
use serde_json::{Map, Value};

use super::{
    proto::{self, ScoreSpec},
    schema::{result_schema, result_type},
};
use crate::{
    error::{Error, Kind, Result},
    flavors::{EnvManager, LoadOptions, PythonRuntime},
    mlmodel::json,
    score::{Compat, ScoreOptions},
};

/// The version of the protocol this build speaks.
pub const PROTOCOL: u32 = 1;

/// What a stream is to be scored with, before it has its wire form.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The model: a name, or a URI.
    pub uri: String,
    /// SHA-256 of the model directory in hex; empty when unknown.
    pub digest: String,
    /// How to load it.
    pub load: LoadOptions,
    /// How to score.
    pub score: ScoreOptions,
    /// Environment variables the user set for the model's workers.
    pub extra_env: Vec<(String, String)>,
    /// The signature as JSON {"inputs", "outputs", "params"}; empty when there is none.
    pub signature: String,
    /// The model's input columns in order; empty = any.
    pub input_names: Vec<String>,
}

impl Request {
    /// The wire form.
    pub fn to_spec(&self) -> Result<ScoreSpec> {
        let (load, score) = (&self.load, &self.score);
        let python = (load.python != PythonRuntime::default()).then(|| proto::PythonRuntime {
            executable: load.python.executable.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
            path: load.python.path.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            env: load.python.env.iter().cloned().collect(),
        });
        Ok(ScoreSpec {
            protocol: PROTOCOL,
            uri: self.uri.clone(),
            digest: self.digest.clone(),
            engine: load.engine.name().into(),
            compat: unless_default(score.compat, Compat::name),
            params: if score.params.is_empty() { String::new() } else { json::dump(&Value::Object(score.params.clone())) },
            model_config: load.model_config.clone().map(|config| json::dump(&Value::Object(config))).unwrap_or_default(),
            predict_fn: load.predict_fn.clone().unwrap_or_default(),
            // A service that was started with another manager keeps to that where the request names none.
            env_manager: unless_default(load.env_manager, EnvManager::name),
            extra_env: self.extra_env.iter().cloned().collect(),
            result_schema: score.result.as_ref().map(result_schema).transpose()?.unwrap_or_default(),
            time_zone: score.time_zone.clone().unwrap_or_default(),
            labels: HashMap::new(),
            signature: self.signature.clone(),
            input_names: self.input_names.clone(),
            python,
        })
    }
}

/// Reads a spec as it came over the wire. An unknown protocol is refused in a sentence that names both versions.
pub fn decode(bytes: &[u8]) -> Result<ScoreSpec> {
    let spec = ScoreSpec::decode(bytes).map_err(|error| {
        Error::new(Kind::InvalidArgument, "BAD_SPEC", format!("the descriptor's command is no ScoreSpec: {error}")).source(error)
    })?;
    check_protocol(&spec)?;
    Ok(spec)
}

fn check_protocol(spec: &ScoreSpec) -> Result<()> {
    if spec.protocol == PROTOCOL {
        return Ok(());
    }
    Err(Error::new(
        Kind::FailedPrecondition,
        "PROTOCOL_VERSION",
        format!(
            "the request speaks protocol {} and this service, mlflight {}, speaks protocol {PROTOCOL}",
            spec.protocol,
            env!("CARGO_PKG_VERSION")
        ),
    )
    .remedy("use the same version of mlflight at both ends"))
}

/// The options a spec stands for. `python` is taken over as it is: only a service that trusts its caller may use it.
pub fn options(spec: &ScoreSpec) -> Result<(LoadOptions, ScoreOptions)> {
    check_protocol(spec)?;
    let mut python = spec.python.as_ref().map(runtime).unwrap_or_default();
    let mut extra: Vec<_> = spec.extra_env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    extra.sort();
    python.env.retain(|(name, _)| !spec.extra_env.contains_key(name));
    python.env.extend(extra);
    let load = LoadOptions {
        engine: or_default(&spec.engine)?,
        env_manager: or_default(&spec.env_manager)?,
        model_config: object("model_config", &spec.model_config)?,
        predict_fn: (!spec.predict_fn.is_empty()).then(|| spec.predict_fn.clone()),
        python,
        ..LoadOptions::default()
    };
    let score = ScoreOptions {
        result: if spec.result_schema.is_empty() { None } else { Some(result_type(&spec.result_schema)?) },
        compat: or_default(&spec.compat)?,
        params: object("params", &spec.params)?.unwrap_or_default(),
        time_zone: (!spec.time_zone.is_empty()).then(|| spec.time_zone.clone()),
    };
    Ok((load, score))
}

fn runtime(python: &proto::PythonRuntime) -> PythonRuntime {
    let mut env: Vec<_> = python.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    // Map order is random; equal options must be the same loaded model.
    env.sort();
    PythonRuntime {
        executable: (!python.executable.is_empty()).then(|| PathBuf::from(&python.executable)),
        path: python.path.iter().map(PathBuf::from).collect(),
        env,
        ..PythonRuntime::default()
    }
}

/// The name of a value; the default has none on the wire.
fn unless_default<T: Copy + Default + PartialEq>(value: T, name: fn(T) -> &'static str) -> String {
    if value == T::default() { String::new() } else { name(value).into() }
}

/// The value of a name; the default where there is none.
fn or_default<T: Default + FromStr<Err = Error>>(name: &str) -> Result<T> {
    if name.is_empty() { Ok(T::default()) } else { name.parse() }
}

fn object(key: &str, text: &str) -> Result<Option<Map<String, Value>>> {
    if text.is_empty() { Ok(None) } else { json::object(key, text).map(Some) }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
