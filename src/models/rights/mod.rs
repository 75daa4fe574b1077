//! What callers over a network may do: who is let in, and which models may be scored, loaded and changed by request.

mod variables;

use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{LoadedModel, Models, changed};
use crate::{
    config::Secret,
    error::{Error, Kind, Result},
    flavors::{Engine, EnvManager, LoadOptions},
    store::{self, Resolved},
};

/// The variable by which MLflow overrides a model's config: setting it is changing `model_config`.
const INFERENCE_CONFIG: &str = "MLFLOW_PYFUNC_INFERENCE_CONFIG";

/// What callers may do beside scoring the models that are served. All of it needs a token.
#[derive(Debug, Clone, Default)]
pub struct RightsOptions {
    /// The caller is the user who started the service: it may load any URI, and its Python runtime is used.
    pub local: bool,
    /// URIs that start with one of these may be loaded by request.
    pub load_prefixes: Vec<String>,
    /// Models may be uploaded; they are kept here.
    pub upload: Option<PathBuf>,
    /// Requests may set environment variables of Python workers.
    pub extra_env: bool,
    /// The code of uploaded models may run.
    pub uploaded_code: bool,
}

/// A model that a caller asks for.
#[derive(Debug)]
pub struct ModelRequest<'a> {
    /// A name it is served under, or a URI.
    pub uri: &'a str,
    /// SHA-256 of its directory in hex; empty where the caller does not know it.
    pub digest: &'a str,
    /// How the caller wants it loaded.
    pub load: LoadOptions,
    /// Environment variables that the caller sets for its workers; they are in [`LoadOptions::python`] too.
    pub extra_env: &'a HashMap<String, String>,
}

/// The rights of callers over the models of a service.
pub struct Rights {
    models: Arc<Models>,
    token: Option<Secret>,
    /// How models are loaded where the caller may not say.
    load: LoadOptions,
    options: RightsOptions,
}

impl Rights {
    /// Rights over `models` for who shows `token`; `load` is how the service loads models where the caller may not say.
    pub fn new(models: Arc<Models>, token: Option<Secret>, load: LoadOptions, options: RightsOptions) -> Self {
        Self { models, token, load, options }
    }

    /// What callers may do.
    pub fn options(&self) -> &RightsOptions {
        &self.options
    }

    /// Refuses callers that do not show the token, where there is one.
    pub fn authorize(&self, shown: &[u8]) -> Result<()> {
        match &self.token {
            Some(token) if !token.matches(shown) => {
                let message = "the service wants a token, and the one shown is missing or wrong";
                Err(Error::new(Kind::Unauthenticated, "TOKEN", message).remedy("send the header 'authorization: Bearer <token>'"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what only operators may do. Without a token every caller on the machine would have their rights.
    pub fn administer(&self, what: &str) -> Result<()> {
        if self.token.is_some() {
            return Ok(());
        }
        Err(Error::new(Kind::PermissionDenied, "NOT_ALLOWED", format!("a request may not {what}"))
            .remedy("start the service with --token-file to allow it to those who show the token"))
    }

    /// The model that is asked for, as far as the caller may have it. Blocks while a model is loaded.
    pub fn resolve(&self, asked: ModelRequest<'_>) -> Result<Arc<LoadedModel>> {
        let ModelRequest { uri, digest, mut load, extra_env } = asked;
        let Self { options, .. } = self;
        load.forbid_code |= self.load.forbid_code;
        load.python.workers = self.load.python.workers;
        if options.local {
            return self.models.load(uri, digest, &load);
        }
        if !extra_env.is_empty() && !options.extra_env {
            return Err(denied("a request may not set environment variables (extra_env)", "--allow-extra-env"));
        }
        variables::check_form(extra_env)?;
        if !options.uploaded_code {
            variables::check(extra_env, options.upload.as_deref())?;
        }
        load.python = self.load.python.clone();
        let mut variables: Vec<_> = extra_env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        variables.sort();
        load.python.env.retain(|(name, _)| !extra_env.contains_key(name));
        load.python.env.extend(variables);
        let Some(model) = self.served(uri, digest)? else {
            let found = self.allowed(uri)?;
            load.forbid_code |= self.is_upload(&found.directory);
            return self.models.load_resolved(&found, digest, &load);
        };
        let reloads = self.reloads(&load, &model) || extra_env.contains_key(INFERENCE_CONFIG);
        if !reloads && extra_env.is_empty() {
            return Ok(model);
        }
        let origin = &model.origin.uri;
        if origin.is_empty() {
            // What was uploaded has no URI to load it by in another way.
            return Err(denied("a request may not change how an uploaded model is loaded", "--model"));
        }
        // With only variables set it is still the model the service was started with.
        if reloads && self.allowed(origin).is_err() {
            return Err(denied(
                "a request may not change how a model is loaded (engine, env_manager, model_config, predict_fn)",
                "--allow-load",
            ));
        }
        let found = Resolved { directory: model.directory.clone(), origin: origin.clone(), lease: model.lease.clone() };
        self.models.load_resolved(&found, digest, &load)
    }

    /// The model that is served under a name, by its digest, or from the place that a URI leads to.
    fn served(&self, uri: &str, digest: &str) -> Result<Option<Arc<LoadedModel>>> {
        let named = self.models.get(uri);
        if let Some(model) = &named
            && !digest.is_empty()
            && !model.origin.digest.is_empty()
            && model.origin.digest != digest
        {
            return Err(changed(uri).expected(digest).found(&model.origin.digest));
        }
        if named.is_some() || uri.is_empty() && digest.is_empty() {
            return Ok(named);
        }
        let place = if digest.is_empty() { find(uri).ok().map(|found| found.origin) } else { None };
        let same = |model: &LoadedModel| match digest.is_empty() {
            true => model.origin.uri == uri || place.as_ref() == Some(&model.origin.uri),
            false => model.origin.digest == digest,
        };
        Ok(self.models.list().into_iter().map(|(_, model)| model).find(|model| same(model)))
    }

    /// Whether a request wants a model loaded in another way than it is.
    fn reloads(&self, load: &LoadOptions, model: &LoadedModel) -> bool {
        let engine = load.engine != Engine::Auto && load.engine != model.engine;
        let manager = load.env_manager != EnvManager::Local && load.env_manager != self.load.env_manager;
        engine || manager || load.model_config.is_some() || load.predict_fn.is_some()
    }

    fn unknown(&self, uri: &str) -> Error {
        let names: Vec<String> = self.models.list().into_iter().map(|(name, _)| name).collect();
        let serves = if names.is_empty() { "no model".to_owned() } else { names.join(", ") };
        if uri.contains(['/', ':']) {
            let error = match self.options.load_prefixes.is_empty() {
                true => denied("a request may not load a model by its URI", "--allow-load"),
                false => denied(
                    "a request may not load a model by its URI outside of the directories of --allow-load",
                    "--allow-load for it",
                ),
            };
            return error.found(uri);
        }
        Error::new(Kind::NotFound, "MODEL_NOT_FOUND", format!("the service has no model '{uri}'; it serves {serves}"))
    }

    /// The model of a URI that a request may load. A prefix is about places: what counts is the directory that the URI leads to,
    /// once decoded and with its links followed, and that directory is the one to load. Of others nothing is said, not even
    /// whether they are there.
    fn allowed(&self, uri: &str) -> Result<Resolved> {
        let prefixes = &self.options.load_prefixes;
        let roots: Vec<PathBuf> = prefixes.iter().filter_map(|prefix| store::path(prefix).ok()).collect();
        let real: Vec<PathBuf> = roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
        if self.elsewhere(uri) {
            return store::resolve(uri);
        }
        match find(uri) {
            Ok(found) if real.iter().any(|root| found.directory.starts_with(root)) => Ok(found),
            Ok(_) => Err(self.unknown(uri)),
            Err(error) => {
                let below = |path: &Path| roots.iter().chain(&real).any(|root| path.starts_with(root));
                let named = store::path(uri).is_ok_and(|path| below(&plain(&path)));
                // Of a scheme that is not read it is said so where its prefix is allowed.
                let remote = |prefix: &String| store::path(prefix).is_err() && uri.starts_with(prefix.as_str());
                let named = named || prefixes.iter().any(remote);
                Err(if named { error } else { self.unknown(uri) })
            }
        }
    }

    /// Whether a URI leads to another machine, to a place below a prefix that requests may load from. It must say so plainly: what a
    /// server would decode or take away is refused.
    fn elsewhere(&self, uri: &str) -> bool {
        let plain = !uri.contains(['%', '?', '#', '\\']) && !uri.split('/').any(|part| matches!(part, "." | ".."));
        let below = |prefix: &str| {
            // Host and scheme of a prefix are whole: `s3://bucket` does not allow `s3://bucket2`.
            let rest = uri.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with(['/', '@']))
        };
        let prefixes = self.options.load_prefixes.iter().filter(|prefix| store::path(prefix).is_err());
        plain && store::path(uri).is_err() && prefixes.into_iter().any(|prefix| below(prefix))
    }

    /// Whether a directory lies where uploads are kept, and their code may not run.
    fn is_upload(&self, directory: &Path) -> bool {
        let RightsOptions { upload, uploaded_code, .. } = &self.options;
        let root = upload.as_ref().and_then(|root| root.canonicalize().ok());
        !uploaded_code && root.is_some_and(|root| directory.starts_with(root))
    }
}

/// Finds the model of a URI that a caller names. Only what lies on this machine is looked for: a caller must not make the service ask
/// others.
fn find(uri: &str) -> Result<Resolved> {
    store::directory(&plain(&store::path(uri)?), uri)
}

/// A path without `..`, each of which takes away the name before it. Followed over directories of this machine, they would tell a caller
/// which of them exist.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// The error for what a service must be started with a flag to allow.
fn denied(what: &str, flag: &str) -> Error {
    Error::new(Kind::PermissionDenied, "NOT_ALLOWED", what.to_owned())
        .remedy(format!("start the service with {flag} and a token to allow it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(prefixes: &[&str]) -> Rights {
        let load_prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        Rights::new(Arc::default(), None, LoadOptions::default(), RightsOptions { load_prefixes, ..RightsOptions::default() })
    }

    #[test]
    fn a_prefix_holds_for_the_directory_that_is_loaded() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let path = |name: &str| root.join(name).display().to_string();
        for name in ["models/a b", "models/a%2F..%2F..%2Fsecret/model", "models/x/y", "models2", "secret/model"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("secret"), root.join("models/link")).unwrap();
        std::os::unix::fs::symlink(root.join("models"), root.join("alias")).unwrap();
        for prefix in [path("models"), path("models/"), path("alias"), format!("file://{}", path("models"))] {
            let rights = rights(&[&prefix]);
            for (uri, directory) in [
                (path("models/a b"), "models/a b"),
                (format!("file://{}", path("models/a%20b")), "models/a b"),
                (format!("file:{}", path("models/a%20b")), "models/a b"),
                (format!("file://localhost{}", path("models/x")), "models/x"),
                (format!("file://{}", path("models/a%252F..%252F..%252Fsecret/model")), "models/a%2F..%2F..%2Fsecret/model"),
                (path("models/a%2F..%2F..%2Fsecret/model"), "models/a%2F..%2F..%2Fsecret/model"),
                (path("models/x/../a b"), "models/a b"),
                (path("alias/x/y"), "models/x/y"),
                (path("models"), "models"),
            ] {
                assert_eq!(rights.allowed(&uri).unwrap().directory, root.join(directory), "{uri} below {prefix}");
            }
            for uri in [
                path("secret/model"),
                path("models/../secret/model"),
                path("models/link/model"),
                path("models2"),
                path(""),
                format!("file://{}", path("models/a%2F..%2F..%2Fsecret/model")),
                format!("file://{}", path("models/%2e%2e/secret/model")),
                format!("file:{}", path("models/x%2F..%2F..%2Fsecret%2Fmodel")),
                format!("file://elsewhere{}", path("models/x")),
                path("secret/not/there"),
                path("models/../not/there"),
                "s3://bucket/models".into(),
                String::new(),
            ] {
                let error = rights.allowed(&uri).unwrap_err();
                let right = [Kind::PermissionDenied, Kind::NotFound];
                assert!(right.contains(&error.kind()) && !error.to_string().contains("no model directory"), "{uri}: {error:?}");
            }
            assert_eq!(rights.allowed(&format!("{prefix}/not/there")).unwrap_err().code(), "MODEL_NOT_FOUND");
        }
    }

    #[test]
    fn a_name_before_dots_need_not_be_there() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for name in ["models/a", "there"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        // The answers are the same, so that nobody learns which directories exist.
        for between in ["there", "nowhere", "models"] {
            let uri = format!("{}/{between}/../models/a", root.display());
            assert_eq!(find(&uri).unwrap().directory, root.join("models/a"));
        }
    }
}
