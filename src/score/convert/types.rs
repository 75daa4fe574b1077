//! The type of a prediction: what is asked for, what the signature says, what MLflow allows.

use arrow::datatypes::{DataType, Field};

use crate::{
    error::{Error, Kind, Result},
    mlmodel::{ColumnType, SchemaSpec, Signature, TensorSpec},
    score::enforce::arrow_type,
};

/// The type of the prediction column: the asked one, else the signature's, else the native model's own, else double.
pub(super) fn resolve(asked: Option<&DataType>, signature: &Signature, model: Option<&DataType>) -> Result<DataType> {
    let declared = signature.outputs.as_ref().filter(|outputs| !is_empty(outputs));
    match (asked, declared, model) {
        (Some(asked), declared, _) => {
            // A front end may hand back what it was told the signature means: MLflow does not check that.
            let known = declared.is_some_and(|outputs| infer(outputs).is_ok_and(|own| own == *asked));
            if known || is_allowed(asked) { Ok(asked.clone()) } else { Err(refuse(asked)) }
        }
        (None, Some(outputs), _) => infer(outputs),
        (None, None, Some(model)) => Ok(model.clone()),
        (None, None, None) => {
            tracing::warn!("no result type was asked for and the model declares no outputs: predictions are read as double");
            Ok(DataType::Float64)
        }
    }
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

fn tensor_type(spec: &TensorSpec) -> Result<DataType> {
    let item = match spec.dtype.as_str() {
        "bool" => DataType::Boolean,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "str" | "<U0" => DataType::Utf8,
        "bytes" | "|S0" => DataType::Binary,
        "datetime64[ns]" => arrow_type(&ColumnType::Datetime),
        other => {
            let message = format!("Model output tensor spec type {other} is not supported in spark_udf.");
            return Err(Error::new(Kind::InvalidArgument, "RESULT_TYPE", message).remedy("name a result type"));
        }
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
