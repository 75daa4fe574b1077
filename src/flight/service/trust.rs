//! What a caller may have scored.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use tonic::metadata::MetadataMap;

use super::{Shared, Trust, environment};
use crate::{
    error::{Error, Kind, Result},
    flavors::{Engine, EnvManager, LoadOptions},
    flight::{proto::ScoreSpec, spec},
    mlmodel::MlModel,
    models::{LoadedModel, Origin},
    score::ScoreOptions,
    store,
};

impl Shared {
    /// Refuses callers without the token, where there is one.
    pub fn authorize(&self, metadata: &MetadataMap) -> Result<()> {
        let Some(token) = &self.options.token else { return Ok(()) };
        let shown = metadata.get("authorization").map(|value| value.as_bytes());
        let shown = shown.and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default();
        if equal(shown, token.expose().as_bytes()) {
            return Ok(());
        }
        Err(Error::new(Kind::Unauthenticated, "TOKEN", "the service wants a token, and the one shown is missing or wrong")
            .remedy("send the header 'authorization: Bearer <token>'"))
    }

    /// The model a spec names and how to score with it, under the rules of [`Trust`]. Blocks while a model is loaded.
    pub fn resolve(&self, asked: &ScoreSpec) -> Result<(Arc<LoadedModel>, ScoreOptions)> {
        let (mut load, score) = spec::options(asked)?;
        let Self { options, .. } = self;
        load.forbid_code |= options.load.forbid_code;
        load.python.workers = options.load.python.workers;
        if options.trust.local {
            return Ok((self.load(&asked.uri, &asked.digest, &load)?, score));
        }
        if !asked.extra_env.is_empty() && !options.trust.extra_env {
            return Err(denied("a request may not set environment variables (extra_env)", "--allow-extra-env"));
        }
        environment::check_form(&asked.extra_env)?;
        if !options.trust.uploaded_code {
            environment::check(&asked.extra_env, options.trust.upload.as_deref())?;
        }
        load.python = options.load.python.clone();
        let extra: BTreeMap<_, _> = asked.extra_env.clone().into_iter().collect();
        load.python.env.retain(|(name, _)| !extra.contains_key(name));
        load.python.env.extend(extra);
        let Some(model) = self.served(asked)? else {
            let directory = self.allowed(&asked.uri)?;
            load.forbid_code |= self.is_upload(&directory);
            return Ok((self.load_directory(&directory, &asked.uri, &asked.digest, &load)?, score));
        };
        if !self.differs(asked, &load, &model) {
            return Ok((model, score));
        }
        let uri = &model.origin.uri;
        if uri.is_empty() {
            // What was uploaded has no URI to load it by in another way.
            return Err(denied("a request may not change how an uploaded model is loaded", "--model"));
        }
        // With only variables set it is still the model the service was started with.
        if self.reloads(&load, &model) && self.allowed(uri).is_err() {
            return Err(denied(
                "a request may not change how a model is loaded (engine, env_manager, model_config, predict_fn)",
                "--allow-load",
            ));
        }
        Ok((self.load_directory(&model.directory, uri, &asked.digest, &load)?, score))
    }

    /// The model served under the name, digest or URI of a spec.
    fn served(&self, asked: &ScoreSpec) -> Result<Option<Arc<LoadedModel>>> {
        let named = self.models.get(&asked.uri);
        if let Some(model) = &named
            && !asked.digest.is_empty()
            && !model.origin.digest.is_empty()
            && model.origin.digest != asked.digest
        {
            return Err(changed(&asked.uri).expected(&asked.digest).found(&model.origin.digest));
        }
        let same = |model: &LoadedModel| match asked.digest.is_empty() {
            true => model.origin.uri == asked.uri && !asked.uri.is_empty(),
            false => model.origin.digest == asked.digest,
        };
        Ok(named.or_else(|| self.models.list().into_iter().map(|(_, model)| model).find(|model| same(model))))
    }

    /// Whether a request wants a model loaded in another way than it is.
    fn differs(&self, asked: &ScoreSpec, load: &LoadOptions, model: &LoadedModel) -> bool {
        self.reloads(load, model) || !asked.extra_env.is_empty()
    }

    fn reloads(&self, load: &LoadOptions, model: &LoadedModel) -> bool {
        let engine = load.engine != Engine::Auto && load.engine != model.engine;
        let manager = load.env_manager != EnvManager::Local && load.env_manager != self.options.load.env_manager;
        engine || manager || load.model_config.is_some() || load.predict_fn.is_some()
    }

    fn unknown(&self, uri: &str) -> Error {
        let names: Vec<String> = self.models.list().into_iter().map(|(name, _)| name).collect();
        let serves = if names.is_empty() { "no model".to_owned() } else { names.join(", ") };
        if uri.contains(['/', ':']) {
            let error = match self.options.trust.load_prefixes.is_empty() {
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

    /// Loads a URI, or takes it from the cache; checks that it is what the caller meant.
    pub fn load(&self, uri: &str, digest: &str, options: &LoadOptions) -> Result<Arc<LoadedModel>> {
        self.load_directory(&store::resolve(uri)?.directory, uri, digest, options)
    }

    fn load_directory(&self, directory: &Path, uri: &str, digest: &str, options: &LoadOptions) -> Result<Arc<LoadedModel>> {
        // A file that is refused anyway is not hashed first.
        MlModel::load(directory)?;
        let found = store::digest(directory)?.to_string();
        if !digest.is_empty() && digest != found {
            return Err(changed(uri).expected(digest).found(found));
        }
        self.models.get_or_load(&key(&found, options), || {
            tracing::info!(uri, digest = found, "loading a model");
            LoadedModel::load_directory(directory, options, Origin { uri: uri.into(), digest: found.clone() })
        })
    }

    /// Forgets what is cached of a model.
    pub fn forget(&self, model: &LoadedModel) {
        if !model.origin.digest.is_empty() {
            self.models.evict(&format!("{}|", model.origin.digest));
        }
    }

    /// The directory of a URI that a request may load. A prefix is about places: what counts is the directory that the URI leads to,
    /// once decoded and with its links followed, and that directory is the one to load. Of others nothing is said, not even
    /// whether they are there.
    fn allowed(&self, uri: &str) -> Result<PathBuf> {
        let roots: Vec<PathBuf> = self.options.trust.load_prefixes.iter().filter_map(|prefix| store::path(prefix).ok()).collect();
        match store::resolve(uri) {
            Ok(found) => {
                let mut real = roots.iter().filter_map(|root| root.canonicalize().ok());
                if real.any(|root| found.directory.starts_with(root)) { Ok(found.directory) } else { Err(self.unknown(uri)) }
            }
            Err(error) => {
                let named = store::path(uri).is_ok_and(|path| {
                    let climbs = path.components().any(|part| part == Component::ParentDir);
                    !climbs && roots.iter().any(|root| path.starts_with(root))
                });
                // Of a scheme that is not read it is said so where its prefix is allowed.
                let remote = |prefix: &String| store::path(prefix).is_err() && uri.starts_with(prefix.as_str());
                let named = named || self.options.trust.load_prefixes.iter().any(remote);
                Err(if named { error } else { self.unknown(uri) })
            }
        }
    }

    /// Whether a directory lies where uploads are kept, and their code may not run.
    fn is_upload(&self, directory: &Path) -> bool {
        let Trust { upload, uploaded_code, .. } = &self.options.trust;
        let root = upload.as_ref().and_then(|root| root.canonicalize().ok());
        !uploaded_code && root.is_some_and(|root| directory.starts_with(root))
    }
}

fn key(digest: &str, options: &LoadOptions) -> String {
    format!("{digest}|{options:?}")
}

fn changed(uri: &str) -> Error {
    Error::new(
        Kind::FailedPrecondition,
        "DIGEST_MISMATCH",
        format!("the model '{uri}' is not the one the request was planned with"),
    )
    .remedy("plan the query again")
}

pub fn denied(what: &str, flag: &str) -> Error {
    Error::new(Kind::PermissionDenied, "NOT_ALLOWED", what.to_owned())
        .remedy(format!("start the service with {flag} and a token to allow it"))
}

/// Compares in a time that does not depend on where the texts differ.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Service, ServiceOptions},
        *,
    };

    fn service(prefixes: &[&str]) -> Shared {
        let trust = Trust { load_prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(), ..Trust::default() };
        let options = ServiceOptions { trust, ..ServiceOptions::default() };
        Arc::into_inner(Service::new(Arc::default(), options).shared).unwrap()
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
            let shared = service(&[&prefix]);
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
                assert_eq!(shared.allowed(&uri).unwrap(), root.join(directory), "{uri} below {prefix}");
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
                let error = shared.allowed(&uri).unwrap_err();
                let right = [Kind::PermissionDenied, Kind::NotFound];
                assert!(right.contains(&error.kind()) && !error.to_string().contains("no model directory"), "{uri}: {error:?}");
            }
            assert_eq!(shared.allowed(&format!("{prefix}/not/there")).unwrap_err().code(), "MODEL_NOT_FOUND");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(equal(b"abc", b"abc") && !equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"", b"a"));
    }
}
