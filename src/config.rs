//! Values as users write them: sizes, durations, secrets.

use std::{fmt, time::Duration};

use crate::error::{Error, Kind, Result};

/// A text that never shows in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether these bytes are the text, compared in a time that does not depend on where they differ.
    pub fn matches(&self, shown: &[u8]) -> bool {
        let text = self.0.as_bytes();
        text.len() == shown.len() && text.iter().zip(shown).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Gives the values of an option the names that users write, in one place for every front end: `NAMES`, `name`, [`fmt::Display`], and a
/// [`FromStr`](std::str::FromStr) that refuses any other name with an error that lists these.
macro_rules! named_values {
    ($option:ident, $key:literal, { $($value:ident => $name:literal),+ $(,)? }) => {
        impl $option {
            /// The names of all values.
            pub const NAMES: &[&'static str] = &[$($name),+];

            /// The name of this value.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name),+
                }
            }
        }

        impl std::fmt::Display for $option {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $option {
            type Err = $crate::error::Error;

            fn from_str(name: &str) -> $crate::error::Result<Self> {
                match name {
                    $($name => Ok(Self::$value),)+
                    _ => Err($crate::config::unknown_name($key, name, Self::NAMES)),
                }
            }
        }
    };
}
pub(crate) use named_values;

/// The error for a name that an option does not have.
pub(crate) fn unknown_name(key: &str, found: &str, names: &[&str]) -> Error {
    let expected = match names {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        names => names.join(", "),
    };
    Error::new(Kind::InvalidArgument, "UNKNOWN_VALUE", format!("{key} '{found}' is not known")).expected(expected)
}

/// Whether models may run code of their own: what `MLFLOW_ALLOW_MODEL_CODE_EXECUTION` and its older name
/// `MLFLOW_ALLOW_PICKLE_DESERIALIZATION` say, true where neither is set.
pub fn model_code_allowed() -> Result<bool> {
    allowed(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

fn allowed(read: impl Fn(&str) -> Option<String>) -> Result<bool> {
    let mut allowed = true;
    for name in ["MLFLOW_ALLOW_MODEL_CODE_EXECUTION", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] {
        allowed &= match read(name).map(|value| value.to_ascii_lowercase()).as_deref() {
            None | Some("true" | "1") => true,
            Some("false" | "0") => false,
            // A misspelt refusal must not allow.
            Some(other) => return Err(invalid("truth value", other, "true, false, 1 or 0").context(name)),
        };
    }
    Ok(allowed)
}

fn invalid(what: &str, text: &str, forms: &str) -> Error {
    Error::new(Kind::InvalidArgument, "BAD_VALUE", format!("'{text}' is no {what}")).expected(forms)
}

/// A size: a number of bytes, or one with `k`, `m` or `g` (powers of 1024; `kb`, `KiB` and the like mean the same).
///
/// ```
/// assert_eq!(mlflight::config::parse_bytes("64m").unwrap(), 64 << 20);
/// ```
pub fn parse_bytes(text: &str) -> Result<usize> {
    let bad = || invalid("size", text, "a number with k, m or g, like 64m");
    let (digits, unit) = split(text);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(bad()),
    };
    let number: usize = digits.parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(bad)
}

/// A length of time: seconds, or a number with `ms`, `s`, `m` or `h`.
///
/// ```
/// assert_eq!(mlflight::config::parse_duration("10m").unwrap().as_secs(), 600);
/// ```
pub fn parse_duration(text: &str) -> Result<Duration> {
    let bad = || invalid("length of time", text, "a number with ms, s, m or h, like 10m");
    let (digits, unit) = split(text);
    let millis = match unit.to_ascii_lowercase().as_str() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    Ok(Duration::from_millis(number.checked_mul(millis).ok_or_else(bad)?))
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    (digits, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read() {
        let sizes = [("0", 0), ("17", 17), ("4k", 4096), ("2 MiB", 2 << 20), ("1G", 1 << 30)];
        for (text, bytes) in sizes {
            assert_eq!(parse_bytes(text).unwrap(), bytes);
        }
        let durations = [("250ms", 250), ("3", 3000), ("2s", 2000), ("1m", 60_000), ("1h", 3_600_000)];
        for (text, millis) in durations {
            assert_eq!(parse_duration(text).unwrap().as_millis(), millis);
        }
        for text in ["", "m", "1x", "-1", "99999999999999999999", "99999999999999g"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert!(parse_duration("5 weeks").unwrap_err().to_string().contains("'5 weeks' is no length of time"));
    }

    #[test]
    fn model_code_is_allowed_unless_either_name_refuses_it() {
        let said = |new: Option<&str>, old: Option<&str>| {
            allowed(|name| if name.contains("PICKLE") { old } else { new }.map(str::to_owned))
        };
        for (new, old, allowed) in [
            (None, None, true),
            (Some("True"), Some("1"), true),
            (Some("FALSE"), None, false),
            (Some("0"), Some("true"), false),
            (Some("true"), Some("false"), false),
        ] {
            assert_eq!(said(new, old).unwrap(), allowed, "{new:?} {old:?}");
        }
        for wrong in ["", "no", "falsee"] {
            let error = said(Some(wrong), None).unwrap_err();
            assert!(error.to_string().starts_with("MLFLOW_ALLOW_MODEL_CODE_EXECUTION: "), "{error}");
        }
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
    }

    #[test]
    fn a_secret_is_compared_whole() {
        let secret = Secret::new("abc");
        assert!(secret.matches(b"abc") && ![&b"abd"[..], b"ab", b"abcd", b""].iter().any(|shown| secret.matches(shown)));
    }
}
