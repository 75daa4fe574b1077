//! JSON as Python reads and writes it: `NaN`, `Infinity` and `-Infinity` are numbers, and a decimal is the nearest double
//! (serde_json's own are off by one bit now and then). What JSON has no number for is kept as a marked text; see [`special`].

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};

use crate::error::{Error, Kind, Result};

/// Stands before the name of a number that JSON does not have: a code point that no text contains.
const MARK: char = '\u{fdd0}';

/// Parses a document as Python's `json.loads` does.
///
/// ```
/// use mlflight::mlmodel::json;
/// let value = json::parse(r#"{"a": 1.5, "b": NaN}"#)?;
/// assert_eq!(json::special(&value["b"]), Some("NaN"));
/// assert_eq!(json::dump(&value), r#"{"a": 1.5, "b": NaN}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn parse(text: &str) -> serde_json::Result<Value> {
    read(text, &["NaN", "-Infinity", "Infinity"])
}

/// Why [`parse_strict`] refused a document.
#[derive(Debug)]
pub enum Refused {
    /// An object has this key twice.
    Twice(String),
    /// It is no JSON.
    Syntax(serde_json::Error),
}

/// Parses a document of nothing but what the standard knows, in which no object has a key twice.
pub fn parse_strict(text: &str) -> Result<Value, Refused> {
    let mut twice = None;
    let text = quote_numbers(text, &[]);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let read = Unique { twice: &mut twice }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match (read, twice) {
        (_, Some(key)) => Err(Refused::Twice(key)),
        (Ok(value), None) => marked(value).map_err(Refused::Syntax),
        (Err(error), None) => Err(Refused::Syntax(error)),
    }
}

fn read(text: &str, names: &[&str]) -> serde_json::Result<Value> {
    marked(serde_json::from_str(&quote_numbers(text, names))?)
}

fn marked(mut value: Value) -> serde_json::Result<Value> {
    if read_marked(&mut value) { Ok(value) } else { Err(serde::de::Error::custom("a key is a number")) }
}

/// Reads a value, and notes a key that an object has twice: serde_json would keep the last.
struct Unique<'a> {
    twice: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Unique { twice: &mut *self.twice })? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Unique { twice: &mut *self.twice })?;
            match object.entry(key) {
                Entry::Vacant(free) => {
                    free.insert(value);
                }
                Entry::Occupied(taken) => {
                    *self.twice = Some(taken.key().clone());
                    return Err(serde::de::Error::custom("a key is there twice"));
                }
            }
        }
        Ok(Value::Object(object))
    }
}

/// Parses what the user gave as `key`, which must be an object.
pub fn object(key: &str, text: &str) -> Result<Map<String, Value>> {
    let wrong = |message: String| Error::new(Kind::InvalidArgument, "BAD_JSON", format!("{key} is not a JSON object{message}"));
    match parse(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(wrong(String::new())),
        Err(error) => Err(wrong(format!(": {error}")).source(error)),
    }
}

/// The name of a number that JSON does not have: `NaN`, `Infinity` or `-Infinity`.
pub fn special(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix(MARK)
}

/// The value as other programs' JSON has it: [`special`] numbers are the texts of their names.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => special(value).unwrap_or(text).into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(keys) => keys.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

/// `json.dumps(value)`.
pub fn dump(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(dump).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(keys) => {
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{}: {}", quote(key), dump(value))).collect();
            format!("{{{}}}", keys.join(", "))
        }
        Value::String(text) => special(value).map_or_else(|| quote(text), str::to_owned),
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

/// The text with bare decimals and `names` in quotes, behind the mark.
fn quote_numbers(text: &str, names: &[&str]) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4 + 16);
    let mut rest = text;
    while let Some(at) = rest.find(['"', '-', 'N', 'I', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = if rest.starts_with('"') {
            let length = string_length(rest);
            out.push_str(&rest[..length]);
            length
        } else {
            let name = names.iter().find(|name| rest.starts_with(**name));
            let digits = || rest.find(|c: char| !matches!(c, '+' | '-' | '.' | 'e' | 'E' | '0'..='9')).unwrap_or(rest.len());
            let length = name.map_or_else(digits, |name| name.len()).max(1);
            let token = &rest[..length];
            if name.is_some() || is_decimal(token) {
                out.push('"');
                out.push(MARK);
                out.push_str(token);
                out.push('"');
            } else {
                out.push_str(token);
            }
            length
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

/// Bytes of the string that a text begins with, its quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// Whether this is a number with a point or exponent as JSON has it; serde_json says what is wrong with others.
fn is_decimal(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token).as_bytes();
    let starts =
        digits.first().is_some_and(u8::is_ascii_digit) && !(digits[0] == b'0' && digits.get(1).is_some_and(u8::is_ascii_digit));
    let point_between = !token.contains(".e") && !token.contains(".E") && !token.ends_with('.');
    starts && point_between && token.contains(['.', 'e', 'E']) && token.parse().is_ok_and(f64::is_finite)
}

/// Reads the decimals behind the mark. False where one stands as a key.
fn read_marked(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let number = text.strip_prefix(MARK).and_then(|token| token.parse::<f64>().ok());
            if let Some(number) = number.filter(|number| number.is_finite()) {
                *value = number.into();
            }
            true
        }
        Value::Array(items) => items.iter_mut().all(read_marked),
        Value::Object(keys) => keys.iter_mut().all(|(key, item)| !key.starts_with(MARK) && read_marked(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_the_nearest_double() {
        // serde_json reads each of these one bit off.
        for text in ["122.416294033786585", "0.03414859085493387", "2.2250738585072011e-308", "-9.5367431640625e-7"] {
            let expected: f64 = text.parse().unwrap();
            assert_eq!(parse(text).unwrap().as_f64().map(f64::to_bits), Some(expected.to_bits()), "{text}");
        }
    }

    #[test]
    fn numbers_that_json_does_not_have_come_back() {
        let text = r#"{"a": NaN, "b": [Infinity, -Infinity, -1, 2.5], "NaN": "NaN", "c": "1.5 \" NaN"}"#;
        let value = parse(text).unwrap();
        assert_eq!(dump(&value), text);
        assert_eq!((special(&value["a"]), special(&value["NaN"])), (Some("NaN"), None));
        assert_eq!(value["c"], "1.5 \" NaN");
        assert_eq!(plain(&value)["b"], serde_json::json!(["Infinity", "-Infinity", -1, 2.5]));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in
            ["1.", "01.5", ".5", "1.e5", "+1.5", "1.5.2", "NaNN", "[1.5 2]", "{\"a\" 1.5}", "\"a", "--1.5", "{1.5: 2}", "1e999"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_strict("[NaN]").is_err() && parse_strict("[-Infinity]").is_err());
        assert_eq!(parse_strict("[-0.5, \"NaN\"]").unwrap(), serde_json::json!([-0.5, "NaN"]));
        let twice = |text: &str| matches!(parse_strict(text), Err(Refused::Twice(key)) if key == "a");
        assert!(twice(r#"{"a": 1, "b": 2, "a": 1}"#) && twice(r#"{"b": [{"a": 1.5, "\u0061": {}}], "c": "#));
        assert_eq!(object("params", "[1.5]").unwrap_err().to_string(), "params is not a JSON object");
    }

    proptest! {
        #[test]
        fn every_double_survives(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let text = format!("[{number:e}, {number:?}]");
            let value = parse(&text).unwrap();
            for item in value.as_array().unwrap() {
                prop_assert_eq!(item.as_f64().map(f64::to_bits), Some(bits), "{}", text);
            }
        }

        #[test]
        fn every_text_survives(text: String, key: String) {
            let value = serde_json::json!({ key: [text, 1.5] });
            prop_assert_eq!(parse(&dump(&value)).unwrap(), value);
        }
    }
}
