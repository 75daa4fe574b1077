//! Which tracking store and which registry: MLflow's variables, and what lies in the working directory.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use url::Url;

use super::{
    SharedBackend,
    credentials::{self, variable},
    directory::Directory,
    here,
    missing::registry_of_another_vendor,
    rest::Rest,
    sqlite::Sqlite,
};
use crate::{
    error::{Error, Kind, Result},
    http::redacted,
};

/// A tracking store and the registry that goes with it.
#[derive(Clone)]
pub struct Tracking {
    /// Runs, and models of MLflow 3.
    pub tracking: SharedBackend,
    /// Registered models.
    pub registry: SharedBackend,
}

impl Tracking {
    /// As `MLFLOW_TRACKING_URI` and `MLFLOW_REGISTRY_URI` say. Where neither is set, what lies in the working directory: `./mlruns` if it
    /// holds experiments, else `./mlflow.db` if it is there, else `./mlruns`.
    pub fn from_env() -> Result<Self> {
        let uri = variable("MLFLOW_TRACKING_URI").unwrap_or_else(|| default_uri(Path::new(".")));
        let registry = variable("MLFLOW_REGISTRY_URI").filter(|registry| *registry != uri);
        let tracking = open(&uri)?;
        let registry = match registry {
            Some(registry) => open(&registry)?,
            None => Arc::clone(&tracking),
        };
        Ok(Self { tracking, registry })
    }
}

/// MLflow's own rule: a directory of experiments that is there goes on being used.
fn default_uri(home: &Path) -> String {
    let experiments = fs::read_dir(home.join("mlruns")).into_iter().flatten().flatten().any(|entry| {
        let number = entry.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        number && entry.path().join("meta.yaml").symlink_metadata().is_ok()
    });
    let database = home.join("mlflow.db");
    if !experiments && database.is_file() {
        format!("sqlite:///{}", database.display())
    } else {
        home.join("mlruns").display().to_string()
    }
}

/// The store at a tracking or registry URI.
pub fn open(uri: &str) -> Result<SharedBackend> {
    if let Some(path) = uri.strip_prefix("sqlite:") {
        let path = path.strip_prefix("///").filter(|path| !path.is_empty()).ok_or_else(|| invalid(uri))?;
        let path = path.split('?').next().unwrap_or(path);
        return Ok(Arc::new(Sqlite::new(PathBuf::from(path))));
    }
    if uri == "databricks" || uri.starts_with("databricks://") {
        let profile = uri.strip_prefix("databricks://").filter(|profile| !profile.is_empty());
        let (host, client) = credentials::databricks(profile)?;
        return Ok(Arc::new(Rest::new(client, host.trim_end_matches('/').to_owned())));
    }
    match scheme(uri) {
        Some("http" | "https") => server(uri),
        Some("databricks-uc" | "uc") => Err(registry_of_another_vendor(&redacted(uri))),
        None | Some("file") => {
            let path = here::local(uri).ok_or_else(|| invalid(uri))?;
            if holds_something_else(&path) {
                let message = format!("something else than a tracking store lies at '{}'", path.display());
                return Err(Error::new(Kind::FailedPrecondition, "NO_MLFLOW_STORE", message)
                    .remedy("check MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI; a new store begins in an empty directory"));
            }
            Ok(Arc::new(Directory::new(path)))
        }
        Some("postgresql" | "mysql" | "mssql" | "oracle") => {
            let shown = redacted(uri);
            Err(Error::new(Kind::Unimplemented, "TRACKING_URI", format!("the database at '{shown}' is not read directly"))
                .remedy("start `mlflow server` over it and set MLFLOW_TRACKING_URI to its address"))
        }
        Some(_) => Err(invalid(uri)),
    }
}

/// Whether a directory has files, and none of a tracking store.
fn holds_something_else(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return false };
    let mut entries = entries.flatten().peekable();
    let store = |entry: fs::DirEntry| {
        matches!(entry.file_name().to_str(), Some(".trash" | "models"))
            || entry.path().join("meta.yaml").symlink_metadata().is_ok()
    };
    // Artifacts of a database lie in a directory of this name.
    !path.ends_with("mlruns") && entries.peek().is_some() && !entries.any(store)
}

/// The dialect of `postgresql+psycopg2:` counts, its driver does not; a name without a colon is a path, as `databricks-uc` alone is not.
fn scheme(uri: &str) -> Option<&str> {
    if uri == "databricks-uc" {
        return Some(uri);
    }
    let (scheme, _) = uri.split_once(':')?;
    let scheme = scheme.split('+').next().unwrap_or(scheme);
    (scheme.len() > 1 && !scheme.contains(['/', '.'])).then_some(scheme)
}

fn server(uri: &str) -> Result<SharedBackend> {
    let mut url = Url::parse(uri).map_err(|error| invalid(uri).source(error))?;
    let user = (!url.username().is_empty()).then(|| (url.username().to_owned(), url.password().unwrap_or_default().to_owned()));
    // A URL with a host takes both.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    let client = credentials::server_client(user)?;
    Ok(Arc::new(Rest::new(client, url.as_str().trim_end_matches('/').to_owned())))
}

fn invalid(uri: &str) -> Error {
    Error::new(Kind::InvalidArgument, "TRACKING_URI", format!("'{}' is no place of an MLflow tracking store", redacted(uri)))
        .expected("http(s)://…, sqlite:///PATH, a directory, file:PATH or databricks")
        .remedy("check MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_working_directory_is_found() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name).display().to_string();
        assert_eq!(default_uri(home.path()), at("mlruns"));
        fs::write(home.path().join("mlflow.db"), "").unwrap();
        fs::create_dir_all(home.path().join("mlruns/1/run/artifacts")).unwrap();
        assert_eq!(default_uri(home.path()), format!("sqlite:///{}", at("mlflow.db")), "artifacts alone are a database's");
        fs::write(home.path().join("mlruns/1/meta.yaml"), "").unwrap();
        assert_eq!(default_uri(home.path()), at("mlruns"));
    }

    #[test]
    fn a_directory_of_something_else_is_no_store() {
        let home = tempfile::tempdir().unwrap();
        let uri = |name: &str| home.path().join(name).display().to_string();
        for name in ["empty", "store/0", "other", "mlruns"] {
            fs::create_dir_all(home.path().join(name)).unwrap();
        }
        fs::write(home.path().join("store/0/meta.yaml"), "").unwrap();
        fs::write(home.path().join("other/hosts"), "").unwrap();
        fs::write(home.path().join("mlruns/file"), "").unwrap();
        assert!(["empty", "store", "mlruns", "not there"].into_iter().all(|name| open(&uri(name)).is_ok()));
        assert_eq!(open(&uri("other")).err().unwrap().code(), "NO_MLFLOW_STORE");
    }

    #[test]
    fn a_store_of_another_kind_is_refused_by_name() {
        for (uri, code) in [
            ("databricks-uc", "REGISTRY_UNSUPPORTED"),
            ("databricks-uc://profile", "REGISTRY_UNSUPPORTED"),
            ("uc:http://localhost", "REGISTRY_UNSUPPORTED"),
            ("postgresql+psycopg2://me:secret@host/db", "TRACKING_URI"),
            ("ftp://host/x", "TRACKING_URI"),
            ("sqlite://", "TRACKING_URI"),
        ] {
            let error = open(uri).err().unwrap();
            assert_eq!(error.code(), code, "{uri}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
