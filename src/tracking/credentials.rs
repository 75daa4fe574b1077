//! Who a client says it is to an MLflow server: MLflow's own variables and files.

use std::{env, fs, path::PathBuf};

use crate::{
    config::Secret,
    error::{Error, Kind, Result},
    http::{Auth, Client, ClientOptions},
};

/// A variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn home(relative: &str) -> Option<PathBuf> {
    Some(PathBuf::from(variable("HOME")?).join(relative))
}

/// The value of a key in a section of an INI file, as Python's configparser reads it.
pub(super) fn ini(text: &str, section: &str, key: &str) -> Option<String> {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name == section;
        } else if inside
            && !line.starts_with(['#', ';'])
            && let Some((name, value)) = line.split_once(['=', ':'])
            && name.trim().eq_ignore_ascii_case(key)
        {
            return Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

fn from_file(key: &str) -> Option<String> {
    ini(&fs::read_to_string(home(".mlflow/credentials")?).ok()?, "mlflow", key)
}

/// A user with a password, else whoever holds a token, by MLflow's order.
fn auth() -> Auth {
    let user = variable("MLFLOW_TRACKING_USERNAME").or_else(|| from_file("mlflow_tracking_username"));
    let password = variable("MLFLOW_TRACKING_PASSWORD").or_else(|| from_file("mlflow_tracking_password"));
    match (user, password, variable("MLFLOW_TRACKING_TOKEN")) {
        (Some(user), Some(password), _) => Auth::Basic(user, Secret::new(password)),
        (_, _, Some(token)) => Auth::Bearer(Secret::new(token)),
        _ => Auth::None,
    }
}

fn truth(name: &str) -> bool {
    variable(name).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1"))
}

/// A client of an MLflow server. `url_user` is who the address itself names, which counts where nothing else is set.
pub fn server_client(url_user: Option<(String, String)>) -> Result<Client> {
    if truth("MLFLOW_TRACKING_AWS_SIGV4") {
        return Err(Error::new(
            Kind::Unimplemented,
            "TRACKING_AUTH",
            "requests signed by AWS (MLFLOW_TRACKING_AWS_SIGV4) are not made by this version",
        )
        .remedy("use a user and password, or a token"));
    }
    let auth = match (auth(), url_user) {
        (Auth::None, Some((user, password))) => Auth::Basic(user, Secret::new(password)),
        (auth, _) => auth,
    };
    Client::new(ClientOptions {
        auth,
        insecure: truth("MLFLOW_TRACKING_INSECURE_TLS"),
        ca_file: variable("MLFLOW_TRACKING_SERVER_CERT_PATH").map(PathBuf::from),
        identity_file: variable("MLFLOW_TRACKING_CLIENT_CERT_PATH").map(PathBuf::from),
    })
}

/// The address of a Databricks workspace and a client that holds its token, from DATABRICKS_HOST and DATABRICKS_TOKEN or a profile of
/// `~/.databrickscfg`.
pub(super) fn databricks(profile: Option<&str>) -> Result<(String, Client)> {
    let file = variable("DATABRICKS_CONFIG_FILE").map(PathBuf::from).or_else(|| home(".databrickscfg"));
    let text = file.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let named = profile.map(str::to_owned).or_else(|| variable("DATABRICKS_CONFIG_PROFILE"));
    let from = |key: &str| ini(&text, named.as_deref().unwrap_or("DEFAULT"), key);
    let find = |name: &str, key: &str| if named.is_some() { from(key) } else { variable(name).or_else(|| from(key)) };
    let (Some(host), Some(token)) = (find("DATABRICKS_HOST", "host"), find("DATABRICKS_TOKEN", "token")) else {
        return Err(Error::new(Kind::Unauthenticated, "DATABRICKS_CREDENTIALS", "no host and token of a Databricks workspace")
            .remedy("set DATABRICKS_HOST and DATABRICKS_TOKEN, or a profile with host and token in ~/.databrickscfg"));
    };
    let host = if host.contains("://") { host } else { format!("https://{host}") };
    let client = Client::new(ClientOptions { auth: Auth::Bearer(Secret::new(token)), ..Default::default() })?;
    Ok((host, client))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credentials_file_is_read_by_its_section() {
        let text = "[other]\nmlflow_tracking_username = no\n[mlflow]\n# note\nMLFLOW_TRACKING_USERNAME = me\nmlflow_tracking_password: a=b\n";
        assert_eq!(ini(text, "mlflow", "mlflow_tracking_username").as_deref(), Some("me"));
        assert_eq!(ini(text, "mlflow", "mlflow_tracking_password").as_deref(), Some("a=b"));
        assert_eq!(ini(text, "none", "mlflow_tracking_password"), None);
    }
}
