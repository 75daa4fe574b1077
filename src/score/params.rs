//! Inference params: the user's values checked against the params schema, defaults filled in, by MLflow's rules.
//!
//! Values are JSON as Python has it ([`json`]): whole numbers are Python ints, others floats, NaN among them. A `datetime` is ISO text that numpy can read, and stays text.

use serde_json::{Map, Value};

use super::enforce::name;
use crate::{
    error::{Error, Kind, Result},
    mlmodel::{ColumnType, ParamSpec, Property, json},
};

/// The params to call the model with. Unknown names are dropped with a warning, as are all when the model declares no params.
pub fn bind(schema: Option<&Vec<ParamSpec>>, given: &Map<String, Value>) -> Result<Map<String, Value>> {
    let Some(schema) = schema else {
        if !given.is_empty() {
            let names = given.keys().cloned().collect::<Vec<_>>().join(", ");
            tracing::warn!("the model declares no params: ignoring {names}");
        }
        return Ok(Map::new());
    };
    let unknown: Vec<&str> =
        given.keys().map(String::as_str).filter(|name| schema.iter().all(|spec| spec.name != *name)).collect();
    if !unknown.is_empty() {
        let known = schema.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", ");
        tracing::warn!("unrecognized params are ignored: {}; the model's params are {known}", unknown.join(", "));
    }
    let mut bound = Map::new();
    let mut wrong = Vec::new();
    for spec in schema {
        match given.get(&spec.name).map(|value| check(value, spec)) {
            None => drop(bound.insert(spec.name.clone(), spec.default.clone())),
            Some(Ok(value)) => drop(bound.insert(spec.name.clone(), value)),
            Some(Err(why)) => wrong.push((spec, why)),
        }
    }
    let Some((first, _)) = wrong.first() else { return Ok(bound) };
    let all = wrong.iter().map(|(spec, why)| format!("'{}': {why}", spec.name)).collect::<Vec<_>>().join("; ");
    Err(Error::new(Kind::InvalidArgument, "PARAMS", format!("Invalid parameters found: {all}"))
        .expected(describe(first))
        .found(given.get(&first.name).unwrap_or(&Value::Null))
        .remedy("pass values of the types that the model's params schema declares"))
}

fn describe(spec: &ParamSpec) -> String {
    match spec.shape {
        None => name(&spec.kind),
        Some(_) => format!("list of {}", name(&spec.kind)),
    }
}

fn check(value: &Value, spec: &ParamSpec) -> Result<Value, String> {
    match (spec.shape.as_deref(), &spec.kind, value) {
        (None, ColumnType::Object(properties), value) => {
            record(value, properties)?;
            Ok(value.clone())
        }
        (None, kind, value) => scalar(value, kind),
        (Some([-1]), kind, Value::Array(items)) if !items.iter().any(Value::is_array) => {
            items.iter().map(|item| scalar(item, kind)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        (Some([-1]), _, other) => Err(format!("Value must be a 1D array with shape (-1,), received {}", python(other))),
        (Some(shape), ..) => {
            Err(format!("Shape must be None for scalar or dictionary value, or (-1,) for 1D array value, received {shape:?}"))
        }
    }
}

fn scalar(value: &Value, kind: &ColumnType) -> Result<Value, String> {
    let refuse = || format!("Can not safely convert `{}` to `{}` for value `{}`", python(value), name(kind), json::dump(value));
    match (kind, value) {
        (_, Value::Null) => Ok(Value::Null),
        (ColumnType::Float | ColumnType::Double, value) if json::special(value).is_some() => Ok(value.clone()),
        (_, value) if json::special(value).is_some() => Err(refuse()),
        (ColumnType::Datetime, Value::String(text)) if is_datetime(text) => Ok(value.clone()),
        (ColumnType::Datetime, _) => {
            Err(format!("Failed to convert value `{value}` from type `{}` to `datetime`", python(value)))
        }
        (_, Value::Array(_) | Value::Object(_)) => {
            Err(format!("Value must be a scalar for type `{}`, got `{value}`", name(kind)))
        }
        (ColumnType::Boolean, Value::Bool(_)) | (ColumnType::String, Value::String(_)) => Ok(value.clone()),
        (ColumnType::Integer | ColumnType::Long, Value::Number(number)) if !number.is_f64() => Ok(value.clone()),
        (ColumnType::Float | ColumnType::Double, Value::Number(number)) => {
            number.as_f64().and_then(serde_json::Number::from_f64).map(Value::Number).ok_or_else(refuse)
        }
        _ => Err(refuse()),
    }
}

/// Checks a record param; the value itself goes to the model as it was given.
fn record(value: &Value, properties: &[Property]) -> Result<(), String> {
    let Value::Object(fields) = value else { return Err(format!("Expected data to be dictionary, got {}", python(value))) };
    let missing = properties.iter().find(|property| property.required && !fields.contains_key(&property.name));
    if let Some(missing) = missing {
        return Err(format!("Missing required properties: '{}'", missing.name));
    }
    for (key, value) in fields {
        let Some(property) = properties.iter().find(|property| property.name == *key) else {
            return Err(format!("Invalid properties not defined in the schema found: '{key}'"));
        };
        if property.required || !value.is_null() {
            nested(value, &property.kind).map_err(|why| format!("Failed to enforce schema for key `{key}`: {why}"))?;
        }
    }
    Ok(())
}

fn nested(value: &Value, kind: &ColumnType) -> Result<(), String> {
    match (kind, value) {
        (ColumnType::Any, _) => Ok(()),
        (ColumnType::Object(properties), value) => record(value, properties),
        (ColumnType::Array(item), Value::Array(items)) => items.iter().try_for_each(|value| nested(value, item)),
        (ColumnType::Map(item), Value::Object(fields)) => fields.values().try_for_each(|value| nested(value, item)),
        (_, Value::Null) => Err(format!("a value of type {} is required", name(kind))),
        (ColumnType::Binary, Value::String(_)) => Ok(()),
        (kind, value) => scalar(value, kind).map(drop),
    }
}

/// Whether numpy's `datetime64` reads the text as a date or a time of at most microseconds.
fn is_datetime(text: &str) -> bool {
    let (date, time) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let date = match date.len() {
        4 => format!("{date}-01-01"),
        7 => format!("{date}-01"),
        _ => date.to_owned(),
    };
    if chrono::NaiveDate::parse_from_str(&date, "%Y-%m-%d").is_err() || date.len() != 10 {
        return false;
    }
    let Some(time) = time else { return true };
    let time = match time.len() {
        2 => format!("{time}:00:00"),
        5 => format!("{time}:00"),
        _ => time.to_owned(),
    };
    let fraction = time.split_once('.').map_or(0, |(_, digits)| digits.len());
    fraction <= 6 && chrono::NaiveTime::parse_from_str(&time, "%H:%M:%S%.f").is_ok()
}

/// Python's name of a JSON value's type.
fn python(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) if json::special(value).is_some() => "float",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(name: &str, kind: ColumnType, default: Value) -> ParamSpec {
        let shape = default.is_array().then(|| vec![-1]);
        ParamSpec { name: name.into(), kind, default, shape }
    }

    fn bound(kind: ColumnType, default: Value, given: Value) -> Result<Value> {
        let given = Map::from_iter([("p".to_owned(), given)]);
        bind(Some(&vec![spec("p", kind, default)]), &given).map(|mut bound| bound.remove("p").unwrap())
    }

    #[test]
    fn defaults_fill_what_is_missing_and_unknown_names_go() {
        let schema = vec![spec("a", ColumnType::Long, json!(1)), spec("b", ColumnType::String, json!("x"))];
        let given = json!({"b": "y", "c": 3});
        let bound = bind(Some(&schema), given.as_object().unwrap()).unwrap();
        assert_eq!(Value::Object(bound), json!({"a": 1, "b": "y"}));
        assert_eq!(bind(None, given.as_object().unwrap()).unwrap(), Map::new());
    }

    #[test]
    fn numbers_widen_and_never_narrow() {
        use ColumnType::{Boolean, Double, Float, Integer, Long};
        assert_eq!(bound(Double, json!(0.5), json!(2)).unwrap(), json!(2.0));
        assert_eq!(bound(Float, json!(0.5), json!(2)).unwrap(), json!(2.0));
        assert_eq!(bound(Long, json!(1), json!(5_000_000_000_i64)).unwrap(), json!(5_000_000_000_i64));
        for (kind, default, given) in [
            (Long, json!(1), json!(2.0)),
            (Integer, json!(1), json!("2")),
            (Integer, json!(1), json!(true)),
            (Boolean, json!(true), json!(1)),
            (ColumnType::String, json!("x"), json!(1)),
            (Double, json!(1.0), json!([1.0])),
        ] {
            let error = bound(kind.clone(), default, given.clone()).unwrap_err();
            assert!(error.message().starts_with("Invalid parameters found: 'p'"), "{kind:?} {given}: {error}");
        }
    }

    #[test]
    fn nan_and_infinity_are_floats_and_nothing_else() {
        let read = |text: &str| json::parse(text).unwrap();
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(bound(ColumnType::Double, json!(0.5), read(text)).unwrap(), read(text));
            assert_eq!(bound(ColumnType::Float, read("[1.0]"), read(&format!("[{text}]"))).unwrap(), read(&format!("[{text}]")));
            for (kind, default) in
                [(ColumnType::Long, json!(1)), (ColumnType::String, json!("x")), (ColumnType::Boolean, json!(true))]
            {
                let error = bound(kind, default, read(text)).unwrap_err();
                assert!(error.message().contains("Can not safely convert `float`"), "{error}");
            }
        }
        // The text is no number, as in MLflow.
        assert!(bound(ColumnType::Double, json!(0.5), json!("NaN")).is_err());
        let schema = vec![spec("p", ColumnType::Double, read("NaN"))];
        assert_eq!(json::dump(&Value::Object(bind(Some(&schema), &Map::new()).unwrap())), r#"{"p": NaN}"#);
    }

    #[test]
    fn arrays_take_flat_lists_only() {
        use ColumnType::Double;
        assert_eq!(bound(Double, json!([0.5]), json!([1, 2.5])).unwrap(), json!([1.0, 2.5]));
        assert_eq!(bound(Double, json!([0.5]), json!([])).unwrap(), json!([]));
        assert!(bound(Double, json!([0.5]), json!(1.0)).is_err());
        assert!(bound(Double, json!([0.5]), json!([[1.0]])).is_err());
        assert!(bound(Double, json!([0.5]), json!(["1"])).is_err());
    }

    #[test]
    fn datetimes_are_what_numpy_reads() {
        for good in ["2023-01-01", "2023-01", "2023", "2023-01-01T12", "2023-01-01 12:30:00", "2023-01-01T12:30:00.123456"] {
            assert_eq!(bound(ColumnType::Datetime, json!("2020-01-01"), json!(good)).unwrap(), json!(good));
        }
        for bad in [json!("tomorrow"), json!(5), json!("2023-13-01"), json!("2023-01-01T12:30:00.123456789"), json!(true)] {
            assert!(bound(ColumnType::Datetime, json!("2020-01-01"), bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn records_are_checked_and_passed_on_as_given() {
        let property = |name: &str, kind, required| Property { name: name.into(), kind, required };
        let kind = ColumnType::Object(vec![
            property("n", ColumnType::Long, true),
            property("t", ColumnType::Array(Box::new(ColumnType::String)), false),
        ]);
        let default = json!({"n": 1});
        let given = json!({"n": 2, "t": ["a"]});
        assert_eq!(bound(kind.clone(), default.clone(), given.clone()).unwrap(), given);
        for bad in
            [json!({}), json!({"n": "2"}), json!({"n": 1, "z": 1}), json!([1]), json!({"n": 1, "t": [1]}), json!({"n": null})]
        {
            assert!(bound(kind.clone(), default.clone(), bad.clone()).is_err(), "{bad}");
        }
    }
}
