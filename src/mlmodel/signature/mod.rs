//! Model signatures: the grammar of `inputs`, `outputs` and `params`, to and from JSON and Arrow.

mod arrow;
mod infer;
mod params;
mod parse;
mod text;

use std::sync::Arc;

use ::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use serde_json::Value;

pub use self::params::ParamSpec;
use crate::error::Result;

/// A model's declared inputs, outputs and params; each part may be absent.
///
/// ```
/// use mlflight::mlmodel::Signature;
/// let signature = Signature::from_json(r#"{"inputs": [{"type": "double", "name": "x", "required": true}], "outputs": null}"#)?;
/// assert_eq!(signature.input_names(), Some(vec!["x".to_owned()]));
/// # Ok::<(), mlflight::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Signature {
    /// What the model takes.
    pub inputs: Option<SchemaSpec>,
    /// What it returns.
    pub outputs: Option<SchemaSpec>,
    /// What `predict` may be told beside the data.
    pub params: Option<Vec<ParamSpec>>,
}

/// Columns or tensors, never a mix.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaSpec {
    /// Data frame columns: all named or all unnamed.
    Columns(Vec<ColumnSpec>),
    /// Tensors: one unnamed, or any number of named ones.
    Tensors(Vec<TensorSpec>),
}

/// One declared column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSpec {
    /// Absent in unnamed signatures.
    pub name: Option<String>,
    /// Its type.
    pub kind: ColumnType,
    /// Whether the column must be there.
    pub required: bool,
}

/// MLflow's column types.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnType {
    /// bool
    Boolean,
    /// int32
    Integer,
    /// int64
    Long,
    /// float32
    Float,
    /// float64
    Double,
    /// text
    String,
    /// bytes
    Binary,
    /// `datetime64[ns]`, without a zone
    Datetime,
    /// A list of one type.
    Array(Box<ColumnType>),
    /// A record with declared properties, sorted by name.
    Object(Vec<Property>),
    /// Text keys to values of one type.
    Map(Box<ColumnType>),
    /// Anything.
    Any,
    /// Spark ML's vector type.
    SparkMlVector,
}

/// One property of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Whether it must be there.
    pub required: bool,
}

/// One declared tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorSpec {
    /// Absent for a single unnamed tensor.
    pub name: Option<String>,
    /// numpy's name of the element type (`float32`).
    pub dtype: String,
    /// The shape; -1 is any size.
    pub shape: Vec<i64>,
}

impl Signature {
    /// From JSON: an object with the keys `inputs`, `outputs` and `params`, each null, a list, or (as in an `MLmodel` file) the text
    /// of a JSON list. Empty text is no signature.
    pub fn from_json(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        parse::document(text)
    }

    /// From the three JSON texts of an `MLmodel` file's `signature` key.
    pub fn from_parts(inputs: Option<&str>, outputs: Option<&str>, params: Option<&str>) -> Result<Self> {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned).map(Value::String);
        parse::parts(given(inputs), given(outputs), given(params))
    }

    /// The same object as one JSON text, with lists for its parts. [`Signature::from_json`] reads it back.
    pub fn to_json(&self) -> String {
        let part = |name: &str, text: Option<String>| format!("\"{name}\": {}", text.unwrap_or_else(|| "null".into()));
        format!(
            "{{{}, {}, {}}}",
            part("inputs", self.inputs_json()),
            part("outputs", self.outputs_json()),
            part("params", self.params_json())
        )
    }

    /// The `inputs` text as MLflow writes it.
    pub fn inputs_json(&self) -> Option<String> {
        self.inputs.as_ref().map(text::schema)
    }

    /// The `outputs` text as MLflow writes it.
    pub fn outputs_json(&self) -> Option<String> {
        self.outputs.as_ref().map(text::schema)
    }

    /// The `params` text as MLflow writes it.
    pub fn params_json(&self) -> Option<String> {
        self.params.as_deref().map(text::params)
    }

    /// Whether nothing at all is declared.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_none() && self.outputs.is_none() && self.params.is_none()
    }

    /// The inputs as an Arrow schema; `None` when no inputs are declared. Unnamed columns are named `0`, `1`, ... Every field is
    /// nullable: `required` says that the column must be there, not that its values must.
    pub fn input_schema(&self) -> Option<SchemaRef> {
        self.inputs.as_ref().map(|inputs| Arc::new(Schema::new(inputs.fields())))
    }

    /// The outputs as an Arrow schema, as [`Signature::input_schema`].
    pub fn output_schema(&self) -> Option<SchemaRef> {
        self.outputs.as_ref().map(|outputs| Arc::new(Schema::new(outputs.fields())))
    }

    /// Type of one prediction: the only output's type, or a struct of several.
    pub fn output_type(&self) -> Option<DataType> {
        let fields = self.outputs.as_ref()?.fields();
        match fields.len() {
            1 => Some(fields[0].data_type().clone()),
            _ => Some(DataType::Struct(fields)),
        }
    }

    /// Names of the declared inputs in order, unnamed ones as `0`, `1`, ...; `None` when no inputs are declared.
    pub fn input_names(&self) -> Option<Vec<String>> {
        self.inputs.as_ref().map(SchemaSpec::names)
    }

    /// How many of the declared inputs must be there.
    pub fn required_count(&self) -> Option<usize> {
        self.inputs.as_ref().map(|inputs| (0..inputs.len()).filter(|&at| inputs.required(at)).count())
    }
}

impl SchemaSpec {
    /// How many columns or tensors.
    pub fn len(&self) -> usize {
        match self {
            Self::Columns(columns) => columns.len(),
            Self::Tensors(tensors) => tensors.len(),
        }
    }

    /// Never true of a parsed schema: MLflow has no empty ones.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the columns or tensors have names.
    pub fn is_named(&self) -> bool {
        self.name(0).is_some()
    }

    /// The declared name at a position.
    pub fn name(&self, at: usize) -> Option<&str> {
        match self {
            Self::Columns(columns) => columns.get(at)?.name.as_deref(),
            Self::Tensors(tensors) => tensors.get(at)?.name.as_deref(),
        }
    }

    /// Whether the column at a position must be there; tensors always.
    pub fn required(&self, at: usize) -> bool {
        match self {
            Self::Columns(columns) => columns.get(at).is_some_and(|column| column.required),
            Self::Tensors(tensors) => at < tensors.len(),
        }
    }

    /// All names in order, unnamed ones as `0`, `1`, ...
    pub fn names(&self) -> Vec<String> {
        (0..self.len()).map(|at| self.name(at).map_or_else(|| at.to_string(), str::to_owned)).collect()
    }

    /// The Arrow fields, all nullable.
    pub fn fields(&self) -> Fields {
        let types: Vec<DataType> = match self {
            Self::Columns(columns) => columns.iter().map(|column| column.kind.to_arrow()).collect(),
            Self::Tensors(tensors) => tensors.iter().map(TensorSpec::to_arrow).collect(),
        };
        self.names().into_iter().zip(types).map(|(name, kind)| Field::new(name, kind, true)).collect()
    }
}

#[cfg(test)]
mod tests;
