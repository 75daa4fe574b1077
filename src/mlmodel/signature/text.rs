//! Signatures as JSON text, laid out as Python's `json.dumps` does, so that a file we write looks like one MLflow wrote.

use serde_json::{Map, Value};

use super::{ColumnSpec, ColumnType, ParamSpec, SchemaSpec, TensorSpec, params::is_special};

pub(super) fn schema(schema: &SchemaSpec) -> String {
    let items = match schema {
        SchemaSpec::Columns(columns) => columns.iter().map(column).collect(),
        SchemaSpec::Tensors(tensors) => tensors.iter().map(tensor).collect(),
    };
    dump(&Value::Array(items), false)
}

pub(super) fn params(params: &[ParamSpec]) -> String {
    let items: Vec<String> = params
        .iter()
        .map(|param| {
            let mut keys = Map::new();
            keys.insert("name".into(), param.name.clone().into());
            let mut text = dump(&Value::Object(keys), false);
            text.pop();
            let number = matches!(param.kind, ColumnType::Float | ColumnType::Double);
            text.push_str(&format!(", \"default\": {}", dump(&param.default, number)));
            let mut tail = Map::new();
            tail.insert("shape".into(), param.shape.clone().map_or(Value::Null, Value::from));
            tail.extend(kind(&param.kind));
            text.push_str(", ");
            text.push_str(&dump(&Value::Object(tail), false)[1..]);
            text
        })
        .collect();
    format!("[{}]", items.join(", "))
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

/// `json.dumps(value)`. With `number`, the texts that stand for numbers JSON does not have are written as Python writes those.
fn dump(value: &Value, number: bool) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| dump(item, number)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(keys) => {
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{}: {}", quote(key), dump(value, number))).collect();
            format!("{{{}}}", keys.join(", "))
        }
        Value::String(text) if number && is_special(text) => text.clone(),
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for c in Value::from(text).to_string().chars() {
        if c.is_ascii() && c != '\u{7f}' {
            quoted.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                quoted.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    quoted
}
