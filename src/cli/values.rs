//! How clap reads the values of flags.

use std::{str::FromStr, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::{
    config::{parse_bytes, parse_duration},
    error::Error,
};

/// A value by one of its names, which the help lists.
pub(super) fn named<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = Error> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

#[cfg(feature = "flight")]
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    parse_bytes(text).map_err(|error| error.to_string())
}

#[cfg(feature = "flight")]
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Most threads that a server may be given.
#[cfg(feature = "flight")]
const MOST_THREADS: usize = 1024;

#[cfg(feature = "flight")]
pub(super) fn threads(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST_THREADS).contains(number));
    number.ok_or_else(|| format!("give a whole number from 1 to {MOST_THREADS}"))
}
