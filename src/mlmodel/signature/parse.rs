//! The grammar: JSON to declared types, with the place of whatever is wrong.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{ColumnSpec, ColumnType, ParamSpec, Property, SchemaSpec, Signature, TensorSpec};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::json,
};

const SCALARS: &str = "boolean, integer, long, float, double, string, binary or datetime";

pub(super) fn document(text: &str) -> Result<Signature> {
    let Value::Object(mut parts) = json("signature", text)? else {
        return Err(wrong("signature", "is no JSON object"));
    };
    let mut take = |name: &str| parts.remove(name);
    self::parts(take("inputs"), take("outputs"), take("params"))
}

pub(super) fn parts(inputs: Option<Value>, outputs: Option<Value>, params: Option<Value>) -> Result<Signature> {
    let inputs = list("inputs", inputs)?.map(|items| schema("inputs", items)).transpose()?;
    let outputs = list("outputs", outputs)?.map(|items| schema("outputs", items)).transpose()?;
    if let Some(inputs) = &inputs
        && let Some(name) = duplicate((0..inputs.len()).filter_map(|at| inputs.name(at)))
    {
        return Err(wrong("inputs", format!("two inputs are named '{name}'")));
    }
    let params = list("params", params)?.map(self::params).transpose()?;
    Ok(Signature { inputs, outputs, params })
}

/// A part: null, a list, or the JSON text of one of them. Empty text is null, as in MLflow.
fn list(place: &str, value: Option<Value>) -> Result<Option<Vec<Value>>> {
    let value = match value {
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(json(place, &text)?),
        other => other,
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => Err(wrong(place, "is no JSON list").found(shape(&other))),
    }
}

fn schema(place: &str, items: Vec<Value>) -> Result<SchemaSpec> {
    if items.is_empty() {
        return Err(wrong(place, "is an empty list").remedy("leave the key out, or declare at least one column"));
    }
    let mut columns = Vec::new();
    let mut tensors = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let place = format!("{place}[{at}]");
        let keys = object(&place, item)?;
        if text(&place, &keys, "type")? == "tensor" {
            tensors.push(tensor(&place, &keys)?);
        } else {
            columns.push(column(&place, keys)?);
        }
    }
    let spec = match (columns.is_empty(), tensors.is_empty()) {
        (false, true) => SchemaSpec::Columns(columns),
        (true, false) => SchemaSpec::Tensors(tensors),
        _ => return Err(wrong(place, "mixes columns and tensors")),
    };
    let named = (0..spec.len()).filter(|&at| spec.name(at).is_some()).count();
    if named != 0 && named != spec.len() {
        return Err(wrong(place, "mixes named and unnamed entries").remedy("name all or none"));
    }
    match &spec {
        SchemaSpec::Tensors(_) if named == 0 && spec.len() > 1 => {
            Err(wrong(place, "declares several unnamed tensors").remedy("name each tensor"))
        }
        SchemaSpec::Columns(columns) if named == 0 && columns.iter().any(|column| !column.required) => {
            Err(wrong(place, "declares an unnamed column that is optional").remedy("name the columns, or make them required"))
        }
        _ => Ok(spec),
    }
}

fn column(place: &str, keys: Map<String, Value>) -> Result<ColumnSpec> {
    let name = optional_text(place, &keys, "name")?;
    let kind = column_type(place, &keys)?;
    // Files of MLflow 1.x and 2.x up to 2.4 say `optional: true`. MLflow reads a nested type without either key as optional.
    let required = match (flag(place, &keys, "required")?, flag(place, &keys, "optional")?) {
        (Some(required), _) => required,
        (None, Some(optional)) => !optional,
        (None, None) => name.is_none() || ColumnType::scalar(kind.name()).is_some(),
    };
    Ok(ColumnSpec { name, kind, required })
}

fn column_type(place: &str, keys: &Map<String, Value>) -> Result<ColumnType> {
    let name = text(place, keys, "type")?;
    let inner = |key: &str| -> Result<Box<ColumnType>> {
        let place = format!("{place}.{key}");
        match keys.get(key) {
            Some(Value::Object(keys)) => column_type(&place, keys).map(Box::new),
            Some(other) => Err(wrong(&place, "is no JSON object").found(shape(other))),
            None => Err(missing(&place)),
        }
    };
    match name {
        "array" => inner("items").map(ColumnType::Array),
        "map" => inner("values").map(ColumnType::Map),
        "object" => properties(&format!("{place}.properties"), keys.get("properties")).map(ColumnType::Object),
        "any" => Ok(ColumnType::Any),
        "sparkml_vector" => Ok(ColumnType::SparkMlVector),
        name => ColumnType::scalar(name).ok_or_else(|| {
            let known = format!("{SCALARS}, array, object, map, any, sparkml_vector or tensor");
            wrong(&format!("{place}.type"), "is no type of a signature").expected(known).found(format!("'{name}'"))
        }),
    }
}

fn properties(place: &str, value: Option<&Value>) -> Result<Vec<Property>> {
    let keys = match value {
        Some(Value::Object(keys)) => keys,
        Some(other) => return Err(wrong(place, "is no JSON object").found(shape(other))),
        None => return Err(missing(place)),
    };
    if keys.is_empty() {
        return Err(wrong(place, "declares no property"));
    }
    let mut properties = Vec::with_capacity(keys.len());
    for (name, value) in keys {
        let place = format!("{place}.{name}");
        let Value::Object(keys) = value else {
            return Err(wrong(&place, "is no JSON object").found(shape(value)));
        };
        let kind = column_type(&place, keys)?;
        let required = flag(&place, keys, "required")?.unwrap_or(true);
        properties.push(Property { name: name.clone(), kind, required });
    }
    properties.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(properties)
}

fn tensor(place: &str, keys: &Map<String, Value>) -> Result<TensorSpec> {
    let name = optional_text(place, keys, "name")?;
    let place = format!("{place}.tensor-spec");
    let spec = match keys.get("tensor-spec") {
        Some(Value::Object(spec)) => spec,
        Some(other) => return Err(wrong(&place, "is no JSON object").found(shape(other))),
        None => return Err(missing(&place)),
    };
    let dtype = text(&place, spec, "dtype")?;
    let dtype = TensorSpec::dtype_name(dtype).ok_or_else(|| {
        wrong(&format!("{place}.dtype"), "is no numpy type of a tensor")
            .expected("a name such as float32")
            .found(format!("'{dtype}'"))
    })?;
    let shape = sizes(&format!("{place}.shape"), spec.get("shape"))?.ok_or_else(|| missing(&format!("{place}.shape")))?;
    Ok(TensorSpec { name, dtype: dtype.into(), shape })
}

fn params(items: Vec<Value>) -> Result<Vec<ParamSpec>> {
    let mut params: Vec<ParamSpec> = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let place = format!("params[{at}]");
        let mut keys = object(&place, item)?;
        let name = match keys.get("name") {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Number(name)) => name.to_string(),
            Some(other) => return Err(wrong(&format!("{place}.name"), "is no text").found(shape(other))),
            None => return Err(missing(&format!("{place}.name"))),
        };
        // MLflow 2.6 wrote `dtype`.
        if !keys.contains_key("type")
            && let Some(dtype) = keys.remove("dtype")
        {
            keys.insert("type".into(), dtype);
        }
        let kind = column_type(&place, &keys)?;
        let of_params = matches!(kind, ColumnType::Object(_)) || (ColumnType::scalar(kind.name()).is_some());
        if !of_params || kind == ColumnType::Binary {
            return Err(wrong(&format!("{place}.type"), "is no type of a param").found(&kind));
        }
        let default = keys.remove("default").ok_or_else(|| missing(&format!("{place}.default")))?;
        let shape = sizes(&format!("{place}.shape"), keys.get("shape"))?;
        let param = ParamSpec { name, kind, default, shape };
        param.check(|message| wrong(&format!("{place} ('{}')", param.name), message))?;
        params.push(param);
    }
    match duplicate(params.iter().map(|param| param.name.as_str())) {
        Some(name) => Err(wrong("params", format!("two params are named '{name}'"))),
        None => Ok(params),
    }
}

fn sizes(place: &str, value: Option<&Value>) -> Result<Option<Vec<i64>>> {
    let items = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(other) => return Err(wrong(place, "is no list of sizes").found(shape(other))),
    };
    // numpy allows no more than 64 dimensions; each is a level of nesting here.
    if items.len() > 64 {
        return Err(wrong(place, "has more than 64 dimensions"));
    }
    let size = |item: &Value| item.as_i64().filter(|size| *size >= -1);
    let sizes = items.iter().map(|item| size(item).ok_or_else(|| wrong(place, "holds what is no size or -1").found(item)));
    sizes.collect::<Result<_>>().map(Some)
}

fn object(place: &str, value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(keys) => Ok(keys),
        other => Err(wrong(place, "is no JSON object").found(shape(&other))),
    }
}

fn text<'a>(place: &str, keys: &'a Map<String, Value>, key: &str) -> Result<&'a str> {
    match keys.get(key) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong(&format!("{place}.{key}"), "is no text").found(shape(other))),
        None => Err(missing(&format!("{place}.{key}"))),
    }
}

fn optional_text(place: &str, keys: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        // A data frame whose columns are numbers gives names that are numbers.
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(wrong(&format!("{place}.{key}"), "is no text").found(shape(other))),
    }
}

fn flag(place: &str, keys: &Map<String, Value>, key: &str) -> Result<Option<bool>> {
    match keys.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(wrong(&format!("{place}.{key}"), "is neither true nor false").found(shape(other))),
    }
}

fn duplicate<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(*name))
}

fn json(place: &str, text: &str) -> Result<Value> {
    json::parse(text).map_err(|error| wrong(place, format!("is no JSON: {error}")).source(error))
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn missing(place: &str) -> Error {
    wrong(place, "is missing")
}

/// `place` begins with the part's key, by which the reader of the file finds the line.
fn wrong(place: &str, message: impl AsRef<str>) -> Error {
    let place = if place == "signature" { place.into() } else { format!("signature.{place}") };
    Error::new(Kind::InvalidModel, "SIGNATURE_INVALID", format!("key '{place}': {}", message.as_ref()))
}
