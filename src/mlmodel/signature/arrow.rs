//! Declared types to and from Arrow's.

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use super::{ColumnType, Property, SchemaSpec, Signature, TensorSpec};
use crate::error::{Error, Kind, Result};

/// numpy's names of the element types a tensor may have, and the Arrow type of one element. `object` is anything.
const TENSOR_TYPES: [(&str, DataType); 22] = [
    ("bool", DataType::Boolean),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float16", DataType::Float16),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("str", DataType::Utf8),
    ("bytes", DataType::Binary),
    ("datetime64[s]", DataType::Timestamp(TimeUnit::Second, None)),
    ("datetime64[ms]", DataType::Timestamp(TimeUnit::Millisecond, None)),
    ("datetime64[us]", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ("datetime64[ns]", DataType::Timestamp(TimeUnit::Nanosecond, None)),
    ("object", DataType::Null),
    // No Arrow type: such a tensor reaches its model through Python alone.
    ("complex64", DataType::Null),
    ("complex128", DataType::Null),
    ("longdouble", DataType::Null),
];

impl ColumnType {
    /// The Arrow type of a column of this type. [`ColumnType::Any`] has Arrow's `Null` type, which here means that every type is
    /// accepted as it comes ([`ColumnType::holds_any`]).
    pub fn to_arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::String => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::Datetime => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Self::Array(items) => list(items.to_arrow()),
            Self::SparkMlVector => list(DataType::Float64),
            Self::Object(properties) => {
                let field = |property: &Property| Field::new(&property.name, property.kind.to_arrow(), true);
                DataType::Struct(properties.iter().map(field).collect())
            }
            Self::Map(values) => {
                let entries =
                    Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", values.to_arrow(), true)]);
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
            }
            Self::Any => DataType::Null,
        }
    }

    /// The narrowest declared type that holds every value of an Arrow type; what has none (decimals, unsigned 64-bit, durations) is
    /// refused. Properties of a struct are required: Arrow says nothing of that.
    pub fn from_arrow(kind: &DataType) -> Result<Self> {
        Ok(match kind {
            DataType::Null => Self::Any,
            DataType::Boolean => Self::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => Self::Integer,
            DataType::Int64 | DataType::UInt32 => Self::Long,
            DataType::Float16 | DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::String,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Self::Binary,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, None) => Self::Datetime,
            DataType::Dictionary(_, values) => Self::from_arrow(values)?,
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => Self::Array(Box::new(Self::from_arrow(item.data_type())?)),
            DataType::Struct(fields) if !fields.is_empty() => {
                let mut properties = fields.iter().map(|field| property(field)).collect::<Result<Vec<_>>>()?;
                properties.sort_by(|a, b| a.name.cmp(&b.name));
                Self::Object(properties)
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 && Self::from_arrow(pair[0].data_type())? == Self::String => {
                    Self::Map(Box::new(Self::from_arrow(pair[1].data_type())?))
                }
                _ => return Err(no_type(kind)),
            },
            _ => return Err(no_type(kind)),
        })
    }

    /// Whether [`ColumnType::Any`] is somewhere in it.
    pub fn holds_any(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Array(inner) | Self::Map(inner) => inner.holds_any(),
            Self::Object(properties) => properties.iter().any(|property| property.kind.holds_any()),
            _ => false,
        }
    }

    /// The scalar type of this name.
    pub(super) fn scalar(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "string" => Self::String,
            "binary" => Self::Binary,
            "datetime" => Self::Datetime,
            _ => return None,
        })
    }

    /// The name in the `type` key.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::String => "string",
            Self::Binary => "binary",
            Self::Datetime => "datetime",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
            Self::Map(_) => "map",
            Self::Any => "any",
            Self::SparkMlVector => "sparkml_vector",
        }
    }
}

/// As people write types: `array<double>`, `object<a: long, b?: string>`.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Array(inner) | Self::Map(inner) => write!(f, "<{inner}>"),
            Self::Object(properties) => {
                f.write_str("<")?;
                for (at, Property { name, kind, required }) in properties.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    let mark = if *required { "" } else { "?" };
                    write!(f, "{comma}{name}{mark}: {kind}")?;
                }
                f.write_str(">")
            }
            _ => Ok(()),
        }
    }
}

impl TensorSpec {
    /// The Arrow type of a column that holds one row of this tensor an entry: its first dimension is the rows, so rank 1 is the
    /// element itself, rank 2 a list, rank n lists in lists.
    pub fn to_arrow(&self) -> DataType {
        (1..self.shape.len()).fold(self.element(), |inner, _| list(inner))
    }

    /// The Arrow type of one element; `Null` for numpy's `object` and what else has none.
    pub fn element(&self) -> DataType {
        TENSOR_TYPES.iter().find(|(name, _)| *name == self.dtype).map_or(DataType::Null, |(_, kind)| kind.clone())
    }

    /// numpy's own name for a name or alias of an element type; `None` when it has no such type.
    pub(super) fn dtype_name(name: &str) -> Option<&'static str> {
        let name = match name {
            "half" => "float16",
            "single" => "float32",
            "double" | "float" => "float64",
            "int" | "long" => "int64",
            "object_" => "object",
            "string" | "unicode" => "str",
            name => name,
        };
        TENSOR_TYPES.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
    }
}

impl Signature {
    /// A signature with these input and output columns; every column is required.
    pub fn from_arrow(inputs: Option<&Fields>, outputs: Option<&Fields>) -> Result<Self> {
        let part = |fields: &Fields| -> Result<SchemaSpec> {
            let column = |field: &Arc<Field>| -> Result<_> {
                let kind = ColumnType::from_arrow(field.data_type()).map_err(|error| error.column(field.name()))?;
                Ok(super::ColumnSpec { name: Some(field.name().clone()), kind, required: true })
            };
            fields.iter().map(column).collect::<Result<_>>().map(SchemaSpec::Columns)
        };
        Ok(Self { inputs: inputs.map(part).transpose()?, outputs: outputs.map(part).transpose()?, params: None })
    }
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn property(field: &Field) -> Result<Property> {
    let kind =
        ColumnType::from_arrow(field.data_type()).map_err(|error| error.context(format!("property '{}'", field.name())))?;
    Ok(Property { name: field.name().clone(), kind, required: true })
}

fn no_type(kind: &DataType) -> Error {
    Error::new(Kind::InvalidArgument, "NO_SIGNATURE_TYPE", "a signature has no type for this Arrow type")
        .found(kind)
        .remedy("cast the column")
}
