//! `models:/…` and `runs:/…` as data.

use crate::error::{Error, Kind, Result};

/// Which version of a registered model is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// That of a number.
    Version(u64),
    /// The newest in a stage.
    Stage(String),
    /// The newest.
    Latest,
    /// That which bears an alias.
    Alias(String),
}

/// A `models:/` URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelName {
    /// `models:/m-…`: a model of MLflow 3, and a path in it.
    Logged {
        /// Its id.
        id: String,
        /// A path in it, often empty.
        path: String,
    },
    /// `models:/name/…` or `models:/name@alias`: a version of a registered model, and a path in it.
    Registered {
        /// The registered model.
        name: String,
        /// The version.
        which: Which,
        /// A path in it, often empty.
        path: String,
    },
}

impl ModelName {
    /// Reads a `models:/` URI, by MLflow's rules.
    pub fn parse(uri: &str) -> Result<Self> {
        let invalid = || {
            Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", format!("'{uri}' names no model"))
                .expected("models:/NAME/VERSION, models:/NAME/latest, models:/NAME@ALIAS, models:/NAME/STAGE or models:/m-ID")
        };
        let rest = after_scheme(uri, "models").ok_or_else(invalid)?;
        if rest.starts_with("//") {
            let message = format!("'{uri}' names a registry of its own");
            return Err(Error::new(Kind::Unimplemented, "REGISTRY_UNSUPPORTED", message)
                .remedy("set MLFLOW_REGISTRY_URI and name the model as models:/NAME/VERSION"));
        }
        let rest = rest.strip_prefix('/').ok_or_else(invalid)?.trim_end_matches('/');
        let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
        if first.trim().is_empty() {
            return Err(invalid());
        }
        if let Some((name, alias)) = first.rsplit_once('@') {
            if name.is_empty() || alias.trim().is_empty() {
                return Err(invalid());
            }
            let which = Which::Alias(alias.to_owned());
            return Ok(Self::Registered { name: name.to_owned(), which, path: after.to_owned() });
        }
        // MLflow takes any name alone for an id; ids begin with `m-`, and so a path below one can be told from a version.
        if after.is_empty()
            || first.strip_prefix("m-").is_some_and(|id| id.len() == 32 && id.bytes().all(|c| c.is_ascii_hexdigit()))
        {
            return Ok(Self::Logged { id: first.to_owned(), path: after.to_owned() });
        }
        let (second, path) = after.split_once('/').unwrap_or((after, ""));
        let which = match second {
            _ if second.trim().is_empty() => return Err(invalid()),
            _ if second.bytes().all(|c| c.is_ascii_digit()) => Which::Version(second.parse().map_err(|_| invalid())?),
            _ if second.eq_ignore_ascii_case("latest") => Which::Latest,
            _ => Which::Stage(second.to_owned()),
        };
        Ok(Self::Registered { name: first.to_owned(), which, path: path.to_owned() })
    }
}

/// A `runs:/` URI: a run and a path among what it logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPath {
    /// The run.
    pub run: String,
    /// A path; its first part may be the name of a model of MLflow 3.
    pub path: String,
}

impl RunPath {
    /// Reads a `runs:/` URI.
    pub fn parse(uri: &str) -> Result<Self> {
        let invalid = || {
            Error::new(Kind::InvalidArgument, "MODEL_URI_INVALID", format!("'{uri}' names no run")).expected("runs:/RUN_ID/PATH")
        };
        let rest = after_scheme(uri, "runs").ok_or_else(invalid)?;
        let rest = rest.strip_prefix('/').filter(|rest| !rest.starts_with('/')).ok_or_else(invalid)?;
        let (run, path) = rest.split_once('/').unwrap_or((rest, ""));
        if run.is_empty() {
            return Err(invalid());
        }
        Ok(Self { run: run.to_owned(), path: path.trim_matches('/').to_owned() })
    }
}

/// Refuses a name that MLflow gives no registered model.
pub fn check_registered_name(name: &str) -> Result<()> {
    if !name.trim().is_empty() && !name.contains(['/', ':']) && !matches!(name, "." | "..") {
        return Ok(());
    }
    Err(Error::new(Kind::InvalidArgument, "NAME_INVALID", format!("a registered model cannot be named '{name}'"))
        .expected("a name without '/' and ':'"))
}

/// Refuses an alias that MLflow gives no version.
pub fn check_alias(alias: &str) -> Result<()> {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let number = alias.strip_prefix(['v', 'V']).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_digit()));
    if !alias.is_empty() && alias.len() <= 255 && alias.chars().all(word) && !alias.eq_ignore_ascii_case("latest") && !number {
        return Ok(());
    }
    Err(Error::new(Kind::InvalidArgument, "NAME_INVALID", format!("a version cannot have the alias '{alias}'"))
        .expected("letters, digits, '_' and '-', but neither 'latest' nor a name such as 'v1'"))
}

fn after_scheme<'a>(uri: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = uri.split_once(':')?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

#[cfg(test)]
mod name_tests {
    use super::*;

    #[test]
    fn names_are_those_that_mlflow_takes() {
        assert!(["churn", "a b", "größe", "a.b"].into_iter().all(|name| check_registered_name(name).is_ok()));
        assert!(["", " ", "a/b", "a:b", "..", "../../evil"].into_iter().all(|name| check_registered_name(name).is_err()));
        assert!(["champion", "a-b_1", "v", "version1", "été"].into_iter().all(|alias| check_alias(alias).is_ok()));
        assert!(
            ["", "latest", "Latest", "v1", "V20", "a/b", "../x", "a b", "a.b"]
                .into_iter()
                .all(|alias| check_alias(alias).is_err())
        );
    }
}
