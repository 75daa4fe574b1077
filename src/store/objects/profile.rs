//! The profiles of the AWS command line: keys, region and endpoint in two INI files.

use std::{collections::HashMap, path::PathBuf};

use super::variable;
use crate::{
    config::Secret,
    error::{Error, Kind, Result},
};

/// What a profile says of S3.
#[derive(Debug, Default)]
pub(super) struct Profile {
    pub(super) keys: Option<Keys>,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
}

/// Keys that do not change.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) token: Option<Secret>,
}

impl Profile {
    /// The profile that `AWS_PROFILE` names, else the one named `default`, which need not be there.
    pub(super) fn read() -> Result<Self> {
        let asked = variable("AWS_PROFILE");
        let name = asked.as_deref().unwrap_or("default");
        let home = |file: &str| std::env::home_dir().map(|home| home.join(".aws").join(file));
        let path = |variable_name: &str, file: &str| variable(variable_name).map(PathBuf::from).or_else(|| home(file));
        let text = |path: Option<PathBuf>| path.and_then(|path| crate::file::read(&path, 1 << 20).ok());
        let text = |path| text(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let mut values = section(&text(path("AWS_CONFIG_FILE", "config")), &[name, &format!("profile {name}")]);
        values.extend(section(&text(path("AWS_SHARED_CREDENTIALS_FILE", "credentials")), &[name]));
        if let Some(name) = asked
            && values.is_empty()
        {
            let message = format!("there is no AWS profile '{name}', which AWS_PROFILE names");
            return Err(Error::new(Kind::FailedPrecondition, "NO_CREDENTIALS", message).remedy("check ~/.aws/config"));
        }
        Ok(Self::of(values))
    }

    fn of(mut values: HashMap<String, String>) -> Self {
        let keys = match (values.remove("aws_access_key_id"), values.remove("aws_secret_access_key")) {
            (Some(id), Some(secret)) => {
                let token = values.remove("aws_session_token").map(Secret::new);
                Some(Keys { id, secret: Secret::new(secret), token })
            }
            _ => None,
        };
        Self { keys, region: values.remove("region"), endpoint: values.remove("endpoint_url") }
    }
}

/// The values of the sections of these names.
fn section(text: &str, names: &[&str]) -> HashMap<String, String> {
    let mut inside = false;
    let mut values = HashMap::new();
    for line in text.lines() {
        // What is indented belongs to the value before: settings of single services.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        if let Some(header) = line.trim().strip_prefix('[') {
            inside = header.strip_suffix(']').is_some_and(|name| names.contains(&name.trim()));
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside) {
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    values.retain(|_, value| !value.is_empty());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_its_section() {
        let config = "[default]\nregion = eu-west-1\n[profile other]\nregion=us-east-2\ns3 =\n  endpoint_url = http://no\n\
                      endpoint_url = https://minio\n# [default]\n";
        let keys = "[other]\naws_access_key_id = id\naws_secret_access_key = a=b\n[third]\naws_access_key_id = x\n";
        let mut values = section(config, &["other", "profile other"]);
        values.extend(section(keys, &["other"]));
        let profile = Profile::of(values);
        let found = profile.keys.unwrap();
        assert_eq!((found.id.as_str(), found.secret.expose(), found.token), ("id", "a=b", None));
        assert_eq!((profile.region.as_deref(), profile.endpoint.as_deref()), (Some("us-east-2"), Some("https://minio")));
        assert!(section(keys, &["default"]).is_empty());
    }
}
