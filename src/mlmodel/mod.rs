//! The `MLmodel` file as data.

mod build;
mod directory;
pub mod json;
pub mod pointer;
mod python_function;
mod read;
mod scalar;
mod signature;
mod write;

use std::{io::Read, path::Path};

pub use serde_yaml::{Mapping, Number, Value};

pub use self::{
    build::LAYOUT_VERSION,
    directory::{
        CONDA_YAML, CONSTRAINTS, INPUT_EXAMPLE, InputExample, ModelDirectory, PYTHON_ENV_YAML, PythonEnvironment, REQUIREMENTS,
        SERVING_INPUT_EXAMPLE,
    },
    python_function::{EnvFiles, PythonFunction},
    read::read_yaml,
    scalar::tagged,
    signature::{ColumnSpec, ColumnType, ParamSpec, Property, SchemaSpec, Signature, TensorSpec},
    write::write_yaml,
};
use crate::{
    error::{Error, Kind, Result},
    file,
};

/// Name of the file in a model's directory.
pub const MLMODEL: &str = "MLmodel";

/// No `MLmodel` file is larger than this (the signature of 100,000 columns takes 6 MB); the parser allocates nothing before it has checked.
pub const MAX_BYTES: u64 = 8 << 20;

/// An `MLmodel` file: the keys mlflight reads are fields, all others are kept in `rest` and written back.
///
/// ```
/// use mlflight::mlmodel::MlModel;
/// let mut model = MlModel::new();
/// model.add_flavor("sklearn", [("pickled_model", "model.pkl"), ("sklearn_version", "1.9.1")]);
/// assert_eq!(MlModel::parse(&model.to_yaml()?)?, model);
/// # Ok::<(), mlflight::error::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MlModel {
    /// Flavor name to its keys, in file order.
    pub flavors: Mapping,
    /// The `signature` key; empty when there is none.
    pub signature: Signature,
    /// Every other top-level key, in file order.
    pub rest: Mapping,
    /// Where `flavors` and `signature` stand among the keys of `rest`.
    places: [usize; 2],
}

impl Default for MlModel {
    fn default() -> Self {
        let places = [0, usize::MAX];
        Self { flavors: Mapping::new(), signature: Signature::default(), rest: Mapping::new(), places }
    }
}

/// Equal keys and values, in whatever order.
impl PartialEq for MlModel {
    fn eq(&self, other: &Self) -> bool {
        self.flavors == other.flavors && self.signature == other.signature && self.rest == other.rest
    }
}

impl MlModel {
    /// A model without flavors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `directory/MLmodel`.
    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join(MLMODEL);
        let file = file::open(&path).map_err(|error| match error.kind() {
            Kind::NotFound => {
                Error::new(Kind::NotFound, "MLMODEL_NOT_FOUND", format!("no {MLMODEL} file in '{}'", directory.display()))
                    .remedy("name the directory that MLflow saved the model to")
                    .source(error)
            }
            _ => error,
        })?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| Error::io(&path, error))?;
        pointer::refuse(&path, &bytes)?;
        Self::parse_bytes(&bytes).map_err(|error| error.context(path.display()))
    }

    /// Parses the bytes of an `MLmodel` file.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(invalid(format!("the file is larger than {MAX_BYTES} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            invalid(format!("line {line}: the file is not UTF-8 text")).source(error)
        })?;
        Self::parse(text)
    }

    /// Parses the text of an `MLmodel` file. Errors name the line and the key.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() as u64 > MAX_BYTES {
            return Err(invalid(format!("the file is larger than {MAX_BYTES} bytes")));
        }
        let mut document = read::document(text)?;
        let mut places = [0; 2];
        let mut take = |key: &str, place: &mut usize| {
            *place = document.keys.keys().position(|known| known.as_str() == Some(key)).unwrap_or(usize::MAX);
            document.keys.shift_remove(key)
        };
        let signature = take("signature", &mut places[1]);
        let flavors = match take("flavors", &mut places[0]) {
            Some(Value::Mapping(flavors)) if !flavors.is_empty() => flavors,
            None | Some(Value::Null | Value::Mapping(_)) => {
                let error = Error::new(Kind::InvalidModel, "NO_FLAVORS", "key 'flavors': the model has no flavors");
                return Err(document.lines.locate(error, "flavors"));
            }
            Some(other) => return Err(document.lines.locate(wrong_type("flavors", "a map", &other), "flavors")),
        };
        let (signature, place) = read_signature(signature);
        let signature = signature.map_err(|error| document.lines.locate(error, &place))?;
        let model = Self { flavors, signature, rest: document.keys, places };
        model.read_python_function().map_err(|(error, place)| document.lines.locate(error, &place))?;
        Ok(model)
    }

    /// The text of the file. Whatever YAML 1.1 would read as something else is quoted, so that every YAML reader sees equal values.
    pub fn to_yaml(&self) -> Result<String> {
        let mut parts = Vec::new();
        for (name, text) in [
            ("inputs", self.signature.inputs_json()),
            ("outputs", self.signature.outputs_json()),
            ("params", self.signature.params_json()),
        ] {
            parts.push((Value::from(name), text.map_or(Value::Null, Value::from)));
        }
        let signature = (!self.signature.is_empty()).then(|| Value::Mapping(parts.into_iter().collect()));
        let flavors = Value::Mapping(self.flavors.clone());
        let [at_flavors, at_signature] = self.places;
        let mut keys: Vec<(&Value, &Value)> = self.rest.iter().collect();
        let names = [Value::from("flavors"), Value::from("signature")];
        keys.insert(at_flavors.min(keys.len()), (&names[0], &flavors));
        if let Some(signature) = &signature {
            keys.insert(at_signature.min(keys.len()), (&names[1], signature));
        }
        write::mapping(keys)
    }

    /// Writes `directory/MLmodel` alone, in one step; [`ModelDirectory`] writes a whole directory. A reader sees the old file
    /// or the new one. Makes the directory.
    pub fn save(&self, directory: &Path) -> Result<()> {
        let text = self.to_yaml()?;
        let path = directory.join(MLMODEL);
        write::atomically(&path, text.as_bytes()).map_err(|error| Error::io(&path, error))
    }

    /// The keys of a flavor, when the model has it.
    pub fn flavor(&self, name: &str) -> Option<&Mapping> {
        self.flavors.get(name).and_then(Value::as_mapping)
    }

    /// Names of the flavors in file order.
    pub fn flavor_names(&self) -> impl Iterator<Item = &str> {
        self.flavors.keys().filter_map(Value::as_str)
    }

    /// A top-level key as text; numbers as they are printed.
    pub fn text(&self, key: &str) -> Option<String> {
        scalar_text(self.rest.get(key)?)
    }

    /// When the model was made, as the file says it: `utc_time_created`, or `time_created` in the oldest files.
    pub fn time_created(&self) -> Option<String> {
        self.text("utc_time_created").or_else(|| self.text("time_created"))
    }

    /// The run that logged the model.
    pub fn run_id(&self) -> Option<String> {
        self.text("run_id")
    }

    /// The model's own id.
    pub fn model_uuid(&self) -> Option<String> {
        self.text("model_uuid")
    }

    /// Version of the MLflow that saved it.
    pub fn mlflow_version(&self) -> Option<String> {
        self.text("mlflow_version")
    }

    /// Whether the signature came from type hints: the model then checks its input itself.
    pub fn is_signature_from_type_hint(&self) -> bool {
        self.rest.get("is_signature_from_type_hint").and_then(Value::as_bool).unwrap_or(false)
    }
}

/// The signature, and the key path to blame when it is wrong.
fn read_signature(value: Option<Value>) -> (Result<Signature>, String) {
    let mut parts = match value {
        None | Some(Value::Null) => return (Ok(Signature::default()), String::new()),
        Some(Value::Mapping(parts)) => parts,
        Some(other) => return (Err(wrong_type("signature", "a map", &other)), "signature".into()),
    };
    let mut texts = [None, None, None];
    for (name, text) in ["inputs", "outputs", "params"].into_iter().zip(&mut texts) {
        *text = match parts.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                let key = format!("signature.{name}");
                return (Err(wrong_type(&key, "a string of JSON", &other)), key);
            }
        };
    }
    let [inputs, outputs, params] = &texts;
    let signature = Signature::from_parts(inputs.as_deref(), outputs.as_deref(), params.as_deref());
    let part = |error: &Error| ["inputs", "outputs", "params"].into_iter().find(|part| names(error, part)).unwrap_or_default();
    let place = signature.as_ref().err().map_or_else(String::new, |error| format!("signature.{}", part(error)));
    (signature, place)
}

fn names(error: &Error, part: &str) -> bool {
    error.message().strip_prefix("key 'signature.").is_some_and(|rest| rest.starts_with(part))
}

/// Text, or a number or boolean as it is printed.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Tagged(tagged) => scalar_text(&tagged.value),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidModel, "MLMODEL_INVALID", message)
}

fn wrong_type(key: &str, expected: &str, found: &Value) -> Error {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a map",
        Value::Tagged(_) => "a tagged value",
    };
    invalid(format!("key '{key}' has the wrong type")).expected(expected).found(found)
}

#[cfg(test)]
mod tests;
