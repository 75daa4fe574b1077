//! The checks that scikit-learn's `validate_data` makes of an estimator's input, and the errors they give.

use crate::{
    error::{Error, Kind as ErrorKind, Result},
    kernels::block::{Block, Kind},
};

/// Which values `check_array` accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allow {
    /// Neither NaN nor infinity.
    Finite,
    /// NaN, but not infinity.
    Missing,
    /// All values.
    All,
}

/// Refuses a block that the library's `validate_data` refuses: not `width` columns, texts, values that are not finite.
pub fn validate(name: &str, input: &Block, width: usize, allow: Allow) -> Result<()> {
    validate_as(name, input, width, allow, |value| value)
}

/// The same after rounding to single precision, in which numbers that are too large become infinite.
pub fn validate_single(name: &str, input: &Block, width: usize, allow: Allow) -> Result<()> {
    validate_as(name, input, width, allow, |value| f64::from(value as f32))
}

fn validate_as(name: &str, input: &Block, width: usize, allow: Allow, seen: impl Fn(f64) -> f64) -> Result<()> {
    expect_width(name, input, width)?;
    if let Some(column) = input.kinds().iter().position(|kind| *kind == Kind::Symbol) {
        let error = Error::new(ErrorKind::InvalidArgument, "TYPE_MISMATCH", format!("{name} takes numbers and truth values"));
        return Err(in_column(error.expected("a number").found("text"), input, column));
    }
    if allow == Allow::All {
        return Ok(());
    }
    let bad = |value: &f64| if allow == Allow::Missing { seen(*value).is_infinite() } else { !seen(*value).is_finite() };
    if let Some(sparse) = input.sparse() {
        let found = |row: &usize| sparse.row(*row).any(|(_, value)| bad(&value));
        return match sparse.values().iter().any(bad).then(|| (0..sparse.rows()).find(found)).flatten() {
            Some(row) => Err(refusal(name, sparse.row(row).map(|(_, value)| value).find(bad).unwrap_or(f64::NAN), row)),
            None => Ok(()),
        };
    }
    for (at, column) in input.columns().enumerate() {
        // A first pass without branches shows that most columns are fine.
        let suspicious = column.iter().fold(false, |any, value| any | bad(value));
        if suspicious && let Some(row) = column.iter().position(bad) {
            return Err(refused(name, input, at, row));
        }
    }
    Ok(())
}

/// Refuses a block of another width than an estimator was fitted on.
pub fn expect_width(name: &str, input: &Block, width: usize) -> Result<()> {
    if input.width() == width {
        return Ok(());
    }
    let message = format!("X has {} features, but {name} is expecting {width} features as input", input.width());
    Err(Error::new(ErrorKind::InvalidArgument, "FEATURE_MISMATCH", message))
}

/// The error for a value of a column that the library refuses.
pub fn refused(name: &str, input: &Block, column: usize, row: usize) -> Error {
    in_column(refusal(name, input.at(row, column), row), input, column)
}

fn refusal(name: &str, value: f64, row: usize) -> Error {
    let (code, message) = match value.is_nan() {
        true => ("MISSING_VALUE", format!("Input X contains NaN: {name} does not accept missing values")),
        false => ("INFINITE_INPUT", format!("Input X contains infinity or a value too large: {name} refuses it")),
    };
    Error::new(ErrorKind::InvalidArgument, code, message).row(row as u64)
}

/// Says where a value comes from, as far as that is known: by the number of the batch's column, whose name the session knows.
pub fn in_column(error: Error, input: &Block, column: usize) -> Error {
    match input.source(column) {
        Some(source) => error.column(source.to_string()),
        None => error,
    }
}

/// The error for a number outside of the range that an estimator accepts.
pub fn out_of_range(message: impl Into<String>, row: usize) -> Error {
    Error::new(ErrorKind::InvalidArgument, "OUT_OF_RANGE", message).row(row as u64)
}
