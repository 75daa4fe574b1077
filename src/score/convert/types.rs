//! The type of a prediction: what may be asked for, what the signature says, what Spark plans with.

use arrow::datatypes::{DataType, Field};

use super::own_type;
use crate::{
    error::{Error, Kind, Result},
    mlmodel::{ColumnType, SchemaSpec, Signature, TensorSpec},
    score::enforce::arrow_type,
};

/// Refuses a type that may not be asked for.
pub(super) fn check(asked: &DataType, signature: &Signature) -> Result<()> {
    // A front end may hand back what it was told the signature means: MLflow does not check that.
    let known = || declared(signature).is_some_and(|outputs| infer(outputs).is_ok_and(|own| own == *asked));
    if is_allowed(asked) || known() { Ok(()) } else { Err(refuse(asked)) }
}

/// The type of a column that must have one before the first answer, as in Spark: the signature's as MLflow reads it, else the native
/// model's own. `None` where neither says one.
pub fn planned(signature: &Signature, model: Option<&DataType>) -> Result<Option<DataType>> {
    match (declared(signature), model) {
        (Some(outputs), _) => infer(outputs).map(Some),
        (None, Some(DataType::FixedSizeList(item, _))) => Ok(Some(DataType::List(item.clone()))),
        (None, model) => Ok(model.cloned()),
    }
}

/// The type of the numbers, or texts, of an output that the signature declares as one array of shape (-1,): one value a row, of which
/// MLflow makes one array a row in Spark.
pub fn plain_type(signature: &Signature) -> Option<DataType> {
    match declared(signature)? {
        SchemaSpec::Tensors(specs) => match specs.as_slice() {
            [only] if only.shape.len() == 1 => element(&only.dtype),
            _ => None,
        },
        SchemaSpec::Columns(_) => None,
    }
}

/// The type that answers as the signature declares them have outside of Spark: an array of shape (-1,) is one value a row, one of
/// shape (-1, k) k columns. `None` where the signature does not say.
pub fn read_as(signature: &Signature) -> Option<DataType> {
    let one = |spec: &TensorSpec| -> Option<DataType> {
        let item = element(&spec.dtype)?;
        let inner = spec.shape.get(1..).unwrap_or_default();
        Some(inner.iter().rev().fold(item, |item, _| DataType::new_list(item, true)))
    };
    match declared(signature)? {
        SchemaSpec::Tensors(specs) => match specs.as_slice() {
            [only] => match (only.shape.as_slice(), element(&only.dtype)?) {
                (&[_, 1], item) => Some(item),
                (&[_, width], item) if width > 1 => {
                    own_type(&DataType::new_fixed_size_list(item, i32::try_from(width).ok()?, true)).into()
                }
                _ => one(only),
            },
            several => {
                let field = |(at, spec): (usize, &TensorSpec)| {
                    Some(Field::new(spec.name.clone().unwrap_or_else(|| at.to_string()), one(spec)?, true))
                };
                several.iter().enumerate().map(field).collect::<Option<Vec<_>>>().map(|fields| DataType::Struct(fields.into()))
            }
        },
        outputs @ SchemaSpec::Columns(_) => infer(outputs).ok(),
    }
}

/// The declared outputs, where there are some.
fn declared(signature: &Signature) -> Option<&SchemaSpec> {
    signature.outputs.as_ref().filter(|outputs| !is_empty(outputs))
}

fn is_empty(outputs: &SchemaSpec) -> bool {
    match outputs {
        SchemaSpec::Columns(specs) => specs.is_empty(),
        SchemaSpec::Tensors(specs) => specs.is_empty(),
    }
}

/// One output is its type, several are a struct of them by name or index.
fn infer(outputs: &SchemaSpec) -> Result<DataType> {
    let named: Vec<(Option<&String>, DataType)> = match outputs {
        SchemaSpec::Columns(specs) => {
            specs.iter().map(|spec| Ok((spec.name.as_ref(), column_type(&spec.kind)?))).collect::<Result<_>>()?
        }
        SchemaSpec::Tensors(specs) => {
            specs.iter().map(|spec| Ok((spec.name.as_ref(), tensor_type(spec)?))).collect::<Result<_>>()?
        }
    };
    match named.as_slice() {
        [(_, only)] => Ok(only.clone()),
        several => Ok(DataType::Struct(
            several
                .iter()
                .enumerate()
                .map(|(at, (name, to))| Field::new(name.map_or_else(|| at.to_string(), |name| (*name).clone()), to.clone(), true))
                .collect(),
        )),
    }
}

fn column_type(kind: &ColumnType) -> Result<DataType> {
    if holds_any(kind) {
        return Err(Error::new(
            Kind::InvalidArgument,
            "RESULT_TYPE",
            "the signature's output is of type Any, which has no column type",
        )
        .remedy("name a result type"));
    }
    Ok(arrow_type(kind))
}

fn holds_any(kind: &ColumnType) -> bool {
    match kind {
        ColumnType::Any => true,
        ColumnType::Array(item) | ColumnType::Map(item) => holds_any(item),
        ColumnType::Object(properties) => properties.iter().any(|property| holds_any(&property.kind)),
        _ => false,
    }
}

/// The type of an array's items, where MLflow has one for numpy's.
fn element(dtype: &str) -> Option<DataType> {
    Some(match dtype {
        "bool" => DataType::Boolean,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "str" | "<U0" => DataType::Utf8,
        "bytes" | "|S0" => DataType::Binary,
        "datetime64[ns]" => arrow_type(&ColumnType::Datetime),
        _ => return None,
    })
}

fn tensor_type(spec: &TensorSpec) -> Result<DataType> {
    let Some(item) = element(&spec.dtype) else {
        let message = format!("Model output tensor spec type {} is not supported in spark_udf.", spec.dtype);
        return Err(Error::new(Kind::InvalidArgument, "RESULT_TYPE", message).remedy("name a result type"));
    };
    let list = DataType::new_list(item, true);
    match spec.shape.len() {
        1 => Ok(list),
        2 => Ok(DataType::new_list(list, true)),
        _ => {
            let name = spec.name.as_deref().unwrap_or("None");
            let message = format!(
                "Only 1D or 2D tensors are supported as spark_udf return value, but model output '{name}' has shape {:?}.",
                spec.shape
            );
            Err(Error::new(Kind::InvalidArgument, "RESULT_TYPE", message).remedy("name a result type"))
        }
    }
}

/// MLflow's list of result types, recursively.
fn is_allowed(to: &DataType) -> bool {
    match to {
        DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64 | DataType::Boolean => true,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => is_allowed(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_allowed(field.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                matches!(fields[0].data_type(), DataType::Utf8 | DataType::LargeUtf8) && is_allowed(fields[1].data_type())
            }
            _ => false,
        },
        _ => false,
    }
}

fn refuse(asked: &DataType) -> Error {
    let message = format!(
        "Invalid 'spark_udf' result type: {asked}.\nIt must be one of the following types:\nPrimitive types:\n- int\n- long\n- float\n\
         - double\n- string\n- boolean\nCompound types:\n- ND array of primitives / structs.\n\
         - struct<field: primitive | array<primitive> | array<array<primitive>>, ...>:\n\
         A struct with primitive, ND array<primitive/structs>,\ne.g., struct<a:int, b:array<int>>.\n"
    );
    Error::new(Kind::InvalidArgument, "RESULT_TYPE", message)
}
