//! Which of a batch's columns are a model's features.

use std::{collections::HashMap, fmt::Display};

use arrow::datatypes::{DataType, Field};

use crate::error::{Error, Kind, Result};

/// The error for columns that are not the model's features.
pub fn mismatch(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidArgument, "FEATURE_MISMATCH", message)
}

/// The error for more or fewer columns than the model has features.
pub fn wrong_count(message: impl Into<String>, expected: impl Display, found: impl Display) -> Error {
    mismatch(message).expected(expected).found(found)
}

/// The error for a column that the model has no feature of.
pub fn absent(name: &str) -> Error {
    mismatch("the model needs a column that is not there").column(name)
}

/// The error for a column of a type that no feature has.
pub fn not_a_number(message: &str, found: &DataType) -> Error {
    Error::new(Kind::InvalidArgument, "TYPE_MISMATCH", message).expected("a number").found(found).remedy("cast the column")
}

/// The place of each column by its name; an error where two have the same one.
pub fn by_name<'a>(fields: impl Iterator<Item = (usize, &'a Field)>) -> Result<HashMap<&'a str, usize>> {
    let mut places = HashMap::with_capacity(fields.size_hint().0);
    for (at, field) in fields {
        if places.insert(field.name().as_str(), at).is_some() {
            return Err(mismatch("there are two columns of this name").column(field.name()));
        }
    }
    Ok(places)
}

/// Whether a column holds texts, be it as a dictionary.
pub fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string(),
    }
}
