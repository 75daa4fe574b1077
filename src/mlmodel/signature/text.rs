//! Signatures as JSON text, laid out as Python's `json.dumps` does, so that a file we write looks like one MLflow wrote.

use serde_json::{Map, Value};

use super::{ColumnSpec, ColumnType, ParamSpec, SchemaSpec, TensorSpec};
use crate::mlmodel::json::dump;

pub(super) fn schema(schema: &SchemaSpec) -> String {
    let items = match schema {
        SchemaSpec::Columns(columns) => columns.iter().map(column).collect(),
        SchemaSpec::Tensors(tensors) => tensors.iter().map(tensor).collect(),
    };
    dump(&Value::Array(items))
}

pub(super) fn params(params: &[ParamSpec]) -> String {
    let items = params
        .iter()
        .map(|param| {
            let mut keys = Map::new();
            keys.insert("name".into(), param.name.clone().into());
            keys.insert("default".into(), param.default.clone());
            keys.insert("shape".into(), param.shape.clone().map_or(Value::Null, Value::from));
            keys.extend(kind(&param.kind));
            Value::Object(keys)
        })
        .collect();
    dump(&Value::Array(items))
}

fn column(column: &ColumnSpec) -> Value {
    let mut keys = kind(&column.kind);
    if let Some(name) = &column.name {
        keys.insert("name".into(), name.clone().into());
    }
    keys.insert("required".into(), column.required.into());
    Value::Object(keys)
}

fn tensor(tensor: &TensorSpec) -> Value {
    let mut keys = Map::new();
    if let Some(name) = &tensor.name {
        keys.insert("name".into(), name.clone().into());
    }
    keys.insert("type".into(), "tensor".into());
    let spec = [("dtype".to_owned(), tensor.dtype.clone().into()), ("shape".to_owned(), tensor.shape.clone().into())]
        .into_iter()
        .collect();
    keys.insert("tensor-spec".into(), Value::Object(spec));
    Value::Object(keys)
}

fn kind(of: &ColumnType) -> Map<String, Value> {
    let mut keys = Map::new();
    keys.insert("type".into(), of.name().into());
    match of {
        ColumnType::Array(items) => {
            keys.insert("items".into(), Value::Object(kind(items)));
        }
        ColumnType::Map(values) => {
            keys.insert("values".into(), Value::Object(kind(values)));
        }
        ColumnType::Object(properties) => {
            let property = |property: &super::Property| {
                let mut keys = kind(&property.kind);
                keys.insert("required".into(), property.required.into());
                (property.name.clone(), Value::Object(keys))
            };
            keys.insert("properties".into(), Value::Object(properties.iter().map(property).collect()));
        }
        _ => {}
    }
    keys
}
