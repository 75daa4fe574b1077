//! A tree of values, as JSON and UBJSON files hold it. Lists of numbers are kept flat, as large models are made of them.

use super::{invalid, json, ubjson};
use crate::error::{Error, Result};

/// How deep values may nest.
pub const MAX_DEPTH: usize = 64;
/// How many values a document may hold, flat lists of numbers counted as one.
pub const MAX_VALUES: usize = 1 << 23;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; the formats read here mean single precision.
    Float(f32),
    /// Text.
    Text(String),
    /// A list of nothing but whole numbers.
    Ints(Vec<i64>),
    /// A list of numbers, at least one of them no whole number.
    Floats(Vec<f32>),
    /// Any other list.
    List(Vec<Value>),
    /// Keys and values, in file order.
    Map(Vec<(String, Value)>),
}

/// Whether the value of a key is wanted. The others are checked and skipped.
pub type Wanted = fn(&str) -> bool;

/// Reads JSON when the first byte that is no space begins JSON text after a brace, else UBJSON.
pub fn read(bytes: &[u8], wanted: Wanted) -> Result<Value> {
    // Both begin with `{`; in UBJSON a length marker follows, in JSON a quote, a brace or space.
    match (bytes.first(), bytes.get(1)) {
        (Some(b'{'), Some(b'i' | b'U' | b'I' | b'l' | b'L' | b'#' | b'$' | b'N')) => ubjson::read(bytes, wanted),
        (Some(b'{' | b' ' | b'\t' | b'\r' | b'\n'), _) => json::read(bytes, wanted),
        _ => Err(invalid("neither JSON nor UBJSON: the first byte begins no object")),
    }
}

impl Value {
    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Ints(_) | Self::Floats(_) | Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }

    fn expected(&self, what: &str) -> Error {
        invalid(format!("expected {what}, found {}", self.kind()))
    }

    /// The value of a key, when it is there and not null.
    pub fn find(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, v)| v).filter(|v| **v != Self::Null),
            _ => None,
        }
    }

    /// The value of a key that must be there, and whatever `read` makes of it; the error names the key.
    pub fn get<'a, T>(&'a self, key: &str, read: impl FnOnce(&'a Value) -> Result<T>) -> Result<T> {
        if !matches!(self, Self::Map(_)) {
            return Err(self.expected("an object"));
        }
        let value = self.find(key).ok_or_else(|| invalid(format!("the key '{key}' is missing")))?;
        read(value).map_err(|error| error.context(key))
    }

    /// Text.
    pub fn text(&self) -> Result<&str> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.expected("text")),
        }
    }

    /// Text that holds a number that is not negative, as XGBoost writes its parameters.
    pub fn count(&self) -> Result<usize> {
        match self {
            Self::Text(text) => {
                text.trim().parse().map_err(|_| invalid(format!("expected a whole number that is not negative, found '{text}'")))
            }
            Self::Int(number) => usize::try_from(*number).map_err(|_| invalid(format!("{number} is negative"))),
            other => Err(other.expected("a whole number")),
        }
    }

    /// Keys and values.
    pub fn entries(&self) -> Result<&[(String, Value)]> {
        match self {
            Self::Map(entries) => Ok(entries),
            other => Err(other.expected("an object")),
        }
    }

    /// The items of a list that are no numbers.
    pub fn list(&self) -> Result<&[Value]> {
        match self {
            Self::List(items) => Ok(items),
            Self::Ints(items) if items.is_empty() => Ok(&[]),
            other => Err(other.expected("a list")),
        }
    }

    /// A list of texts.
    pub fn texts(&self) -> Result<Vec<String>> {
        self.list()?.iter().map(|item| Ok(item.text()?.to_owned())).collect()
    }

    /// A list of whole numbers or truth values.
    pub fn ints(&self) -> Result<Vec<i64>> {
        match self {
            Self::Ints(items) => Ok(items.clone()),
            Self::List(items) => items
                .iter()
                .map(|item| match item {
                    Self::Int(number) => Ok(*number),
                    Self::Bool(truth) => Ok(i64::from(*truth)),
                    other => Err(other.expected("a whole number")),
                })
                .collect(),
            other => Err(other.expected("a list of whole numbers")),
        }
    }

    /// A list of numbers.
    pub fn floats(&self) -> Result<Vec<f32>> {
        match self {
            Self::Floats(items) => Ok(items.clone()),
            Self::Ints(items) => Ok(items.iter().map(|&item| item as f32).collect()),
            other => Err(other.expected("a list of numbers")),
        }
    }
}

/// Collects the items of a list, flat as long as they are numbers.
pub(super) enum Items {
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Other(Vec<Value>),
}

impl Items {
    pub(super) fn new() -> Self {
        Self::Ints(Vec::new())
    }

    pub(super) fn push(&mut self, item: Value) {
        match (&mut *self, item) {
            (Self::Ints(items), Value::Int(item)) => items.push(item),
            (Self::Ints(items), Value::Float(item)) => {
                let mut floats: Vec<f32> = items.iter().map(|&item| item as f32).collect();
                floats.push(item);
                *self = Self::Floats(floats);
            }
            (Self::Floats(items), Value::Float(item)) => items.push(item),
            (Self::Floats(items), Value::Int(item)) => items.push(item as f32),
            (Self::Other(items), item) => items.push(item),
            (Self::Ints(items), item) => {
                let mut values: Vec<Value> = items.drain(..).map(Value::Int).collect();
                values.push(item);
                *self = Self::Other(values);
            }
            (Self::Floats(items), item) => {
                let mut values: Vec<Value> = items.drain(..).map(Value::Float).collect();
                values.push(item);
                *self = Self::Other(values);
            }
        }
    }

    pub(super) fn finish(self) -> Value {
        match self {
            Self::Ints(items) => Value::Ints(items),
            Self::Floats(items) => Value::Floats(items),
            Self::Other(items) => Value::List(items),
        }
    }
}

/// Counts values and depth, so that no file costs more memory than its size warrants.
pub(super) struct Budget {
    values: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { values: 0 }
    }

    /// Called for every value that is no plain number of a list.
    pub(super) fn spend(&mut self, depth: usize) -> Result<()> {
        self.values += 1;
        if depth > MAX_DEPTH {
            return Err(invalid(format!("values nest deeper than {MAX_DEPTH}")));
        }
        if self.values > MAX_VALUES {
            return Err(invalid(format!("more than {MAX_VALUES} values")));
        }
        Ok(())
    }
}
