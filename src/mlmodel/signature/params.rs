//! Inference params.

use serde_json::Value;

use super::ColumnType;
use crate::{
    error::{Error, Result},
    mlmodel::json,
};

/// One inference param.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamSpec {
    /// Its name.
    pub name: String,
    /// Its type; objects have properties.
    pub kind: ColumnType,
    /// Used when the caller gives none. Times are ISO text; for what JSON has no number for see [`json::special`].
    pub default: Value,
    /// `None` for a scalar, `[-1]` for a list.
    pub shape: Option<Vec<i64>>,
}

impl ParamSpec {
    /// Whether the param is a list.
    pub fn is_list(&self) -> bool {
        self.shape.is_some()
    }

    /// Refuses a default that its own type does not allow.
    pub(super) fn check(&self, wrong: impl Fn(String) -> Error) -> Result<()> {
        match &self.shape {
            None => self.check_one(&self.default, wrong),
            Some(shape) if shape.as_slice() == [-1] => match &self.default {
                Value::Array(items) => items.iter().try_for_each(|item| self.check_one(item, &wrong)),
                other => Err(wrong("the default of a list param is no list".into()).found(other)),
            },
            Some(shape) => Err(wrong("the shape of a param is null or [-1]".into()).found(format!("{shape:?}"))),
        }
    }

    fn check_one(&self, value: &Value, wrong: impl Fn(String) -> Error) -> Result<()> {
        let fits = match &self.kind {
            _ if value.is_null() => true,
            ColumnType::Boolean => value.is_boolean(),
            ColumnType::Integer | ColumnType::Long => value.is_i64(),
            ColumnType::Float | ColumnType::Double => value.is_number() || json::special(value).is_some(),
            ColumnType::String | ColumnType::Datetime => value.is_string() && json::special(value).is_none(),
            ColumnType::Object(_) => value.is_object(),
            _ => false,
        };
        if fits { Ok(()) } else { Err(wrong("the default has another type".into()).expected(&self.kind).found(value)) }
    }
}
