//! Between options and their wire form, [`ScoreSpec`].

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use arrow::{
    datatypes::{DataType, Field, Schema},
    ipc::{convert::try_schema_from_flatbuffer_bytes, writer::DictionaryTracker},
};
use prost::Message;
use serde_json::{Map, Value};

use super::proto;
pub use super::proto::ScoreSpec;
use crate::{
    error::{Error, Kind, Result},
    flavors::{Engine, EnvManager, LoadOptions, PythonRuntime},
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

/// The wire form of a request.
pub fn from_request(request: &Request) -> Result<ScoreSpec> {
    let (load, score) = (&request.load, &request.score);
    let python = (load.python != PythonRuntime::default()).then(|| proto::PythonRuntime {
        executable: load.python.executable.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
        path: load.python.path.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        env: load.python.env.iter().cloned().collect(),
    });
    Ok(ScoreSpec {
        protocol: PROTOCOL,
        uri: request.uri.clone(),
        digest: request.digest.clone(),
        engine: engine_name(load.engine).into(),
        compat: match score.compat {
            Compat::Exact => String::new(),
            Compat::Mlflow => "mlflow".into(),
        },
        params: if score.params.is_empty() { String::new() } else { json::dump(&Value::Object(score.params.clone())) },
        model_config: load.model_config.clone().map(|config| json::dump(&Value::Object(config))).unwrap_or_default(),
        predict_fn: load.predict_fn.clone().unwrap_or_default(),
        env_manager: match load.env_manager {
            // What a service of its own does too: one that was started with another manager keeps to that.
            EnvManager::Local => "",
            EnvManager::Virtualenv => "virtualenv",
            EnvManager::Uv => "uv",
            EnvManager::Conda => "conda",
        }
        .into(),
        extra_env: request.extra_env.iter().cloned().collect(),
        result_schema: score.result.as_ref().map(result_schema).transpose()?.unwrap_or_default(),
        time_zone: score.time_zone.clone().unwrap_or_default(),
        labels: HashMap::new(),
        signature: request.signature.clone(),
        input_names: request.input_names.clone(),
        python,
    })
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
        engine: parse_engine(&spec.engine)?,
        env_manager: parse_env_manager(&spec.env_manager)?,
        model_config: object("model_config", &spec.model_config)?,
        predict_fn: (!spec.predict_fn.is_empty()).then(|| spec.predict_fn.clone()),
        python,
        ..LoadOptions::default()
    };
    let score = ScoreOptions {
        result: if spec.result_schema.is_empty() { None } else { Some(result_type(&spec.result_schema)?) },
        compat: parse_compat(&spec.compat)?,
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

fn object(key: &str, text: &str) -> Result<Option<Map<String, Value>>> {
    if text.is_empty() { Ok(None) } else { json::object(key, text).map(Some) }
}

fn unknown(key: &str, found: &str, expected: &str) -> Error {
    Error::new(Kind::InvalidArgument, "UNKNOWN_VALUE", format!("{key} '{found}' is not known")).expected(expected)
}

/// An engine by its name; empty is `auto`.
pub fn parse_engine(name: &str) -> Result<Engine> {
    match name {
        "" | "auto" => Ok(Engine::Auto),
        "native" => Ok(Engine::Native),
        "python" => Ok(Engine::Python),
        other => Err(unknown("engine", other, "auto, native or python")),
    }
}

/// The name of an engine.
pub fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Auto => "auto",
        Engine::Native => "native",
        Engine::Python => "python",
    }
}

/// Conversion rules by their name; empty is exact.
pub fn parse_compat(name: &str) -> Result<Compat> {
    match name {
        "" => Ok(Compat::Exact),
        "mlflow" => Ok(Compat::Mlflow),
        other => Err(unknown("compat", other, "\"mlflow\"")),
    }
}

/// An environment manager by its name; empty is `local`.
pub fn parse_env_manager(name: &str) -> Result<EnvManager> {
    match name {
        "" | "local" => Ok(EnvManager::Local),
        "virtualenv" => Ok(EnvManager::Virtualenv),
        "uv" => Ok(EnvManager::Uv),
        "conda" => Ok(EnvManager::Conda),
        other => Err(unknown("env_manager", other, "local, virtualenv, uv or conda")),
    }
}

/// A schema as an Arrow IPC schema message.
pub fn schema_bytes(schema: &Schema) -> Result<Vec<u8>> {
    let mut tracker = DictionaryTracker::new(false);
    let options = arrow::ipc::writer::IpcWriteOptions::default();
    let generator = arrow::ipc::writer::IpcDataGenerator::default();
    Ok(generator.schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options).ipc_message)
}

/// A result type as it goes into a spec: the schema of one field `prediction`.
pub fn result_schema(result: &DataType) -> Result<Vec<u8>> {
    schema_bytes(&Schema::new(vec![Arc::new(Field::new(crate::score::PREDICTION, result.clone(), true))]))
}

/// Reads an IPC schema message, with or without the stream format's length in front.
pub fn read_schema(bytes: &[u8]) -> Result<Schema> {
    let invalid =
        |message: String| Error::new(Kind::InvalidArgument, "BAD_SCHEMA", format!("not an Arrow IPC schema: {message}"));
    let framed = bytes.starts_with(&[0xff; 4]);
    super::wire::parse(if framed { bytes.get(8..).unwrap_or_default() } else { bytes })?;
    // The reader's own conversion panics where a part is missing, or is of a type it does not know; a peer's bytes must not.
    std::panic::catch_unwind(|| {
        if framed { arrow::ipc::convert::try_schema_from_ipc_buffer(bytes) } else { try_schema_from_flatbuffer_bytes(bytes) }
    })
    .map_err(|_| invalid("a part of it is missing, or of a type that is not supported".into()))?
    .map_err(|error| invalid(error.to_string()))
}

/// Reads a result type as it goes into a spec.
pub fn result_type(bytes: &[u8]) -> Result<DataType> {
    let schema = read_schema(bytes).map_err(|error| error.context("result_schema"))?;
    match schema.fields().as_ref() {
        [field] => Ok(field.data_type().clone()),
        fields => Err(Error::new(Kind::InvalidArgument, "BAD_SCHEMA", "result_schema must have one field").found(fields.len())),
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
