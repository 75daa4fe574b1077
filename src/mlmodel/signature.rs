//! Model signatures: the grammar of `inputs`, `outputs` and `params`, to and from Arrow.

use arrow::datatypes::SchemaRef;
use serde_yaml::Value;

use crate::error::Result;

/// A model's declared inputs, outputs and params; each part may be absent.
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
    /// datetime64[ns], without a zone
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

/// One inference param.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamSpec {
    /// Its name.
    pub name: String,
    /// Its type; objects have properties.
    pub kind: ColumnType,
    /// Used when the caller gives none.
    pub default: serde_json::Value,
    /// `None` for a scalar, `[-1]` for a list.
    pub shape: Option<Vec<i64>>,
}

impl Signature {
    /// From the `signature` key of an `MLmodel` file (each part is JSON text, or null).
    pub fn from_yaml(_value: Option<Value>) -> Result<Self> {
        Ok(Self::default())
    }

    /// The inputs as an Arrow schema; `None` when no inputs are declared. Unnamed columns are named `0`, `1`, ...
    pub fn input_schema(&self) -> Option<SchemaRef> {
        None
    }
}
