//! What a caller may have scored.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use tonic::metadata::MetadataMap;

use super::{Shared, Trust};
use crate::{
    error::{Error, Kind, Result},
    flavors::{Engine, EnvManager, LoadOptions},
    flight::{proto::ScoreSpec, spec},
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
        load.python = options.load.python.clone();
        let extra: BTreeMap<_, _> = asked.extra_env.clone().into_iter().collect();
        load.python.env.retain(|(name, _)| !extra.contains_key(name));
        load.python.env.extend(extra);
        let served = self.served(asked)?;
        let uri = served.as_ref().map_or(asked.uri.as_str(), |model| model.origin.uri.as_str());
        match &served {
            Some(model) if !self.differs(asked, &load, model) => Ok((model.clone(), score)),
            Some(model) if self.reloads(&load, model) && !may_load(&options.trust, uri) => Err(denied(
                "a request may not change how a model is loaded (engine, env_manager, model_config, predict_fn)",
                "--allow-load",
            )),
            None if !may_load(&options.trust, uri) => Err(self.unknown(uri)),
            // What was uploaded has no URI to load it by in another way.
            Some(_) if uri.is_empty() => Err(denied("a request may not change how an uploaded model is loaded", "--model")),
            // With only variables set it is still the model the service was started with.
            Some(_) if !may_load(&options.trust, uri) => Ok((self.load(uri, &asked.digest, &load)?, score)),
            _ => {
                self.within(uri)?;
                Ok((self.load(uri, &asked.digest, &load)?, score))
            }
        }
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
        let engine = load.engine != Engine::Auto && load.engine != model.loaded.engine;
        let manager = load.env_manager != EnvManager::Local && load.env_manager != self.options.load.env_manager;
        engine || manager || load.model_config.is_some() || load.predict_fn.is_some()
    }

    fn unknown(&self, uri: &str) -> Error {
        let names: Vec<String> = self.models.list().into_iter().map(|(name, _)| name).collect();
        let serves = if names.is_empty() { "no model".to_owned() } else { names.join(", ") };
        if uri.contains(['/', ':']) {
            return denied("a request may not load a model by its URI", "--allow-load").found(uri);
        }
        Error::new(Kind::NotFound, "MODEL_NOT_FOUND", format!("the service has no model '{uri}'; it serves {serves}"))
    }

    /// Loads a URI, or takes it from the cache; checks that it is what the caller meant.
    pub fn load(&self, uri: &str, digest: &str, options: &LoadOptions) -> Result<Arc<LoadedModel>> {
        let directory = store::resolve(uri)?.directory;
        let found = store::digest(&directory)?.to_string();
        if !digest.is_empty() && digest != found {
            return Err(changed(uri).expected(digest).found(found));
        }
        self.models.get_or_load(&key(&found, options), || {
            tracing::info!(uri, digest = found, "loading a model");
            LoadedModel::load_directory(&directory, options, Origin { uri: uri.into(), digest: found.clone() })
        })
    }

    /// Forgets what is cached of a model.
    pub fn forget(&self, model: &LoadedModel) {
        if !model.origin.digest.is_empty() {
            self.models.evict(&format!("{}|", model.origin.digest));
        }
    }

    /// A prefix is about places: a link in an allowed directory must not lead out of it.
    fn within(&self, uri: &str) -> Result<()> {
        let local = |uri: &str| !uri.contains("://") || uri.starts_with("file://");
        let real = |uri: &str| Path::new(uri.strip_prefix("file://").unwrap_or(uri)).canonicalize();
        if !local(uri) {
            return Ok(());
        }
        let missing = |error| Error::io(Path::new(uri), error);
        let directory = real(uri).map_err(missing)?;
        let mut roots =
            self.options.trust.load_prefixes.iter().filter(|prefix| local(prefix)).filter_map(|prefix| real(prefix).ok());
        match roots.any(|root| directory.starts_with(root)) {
            true => Ok(()),
            false => Err(self.unknown(uri)),
        }
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

fn denied(what: &str, flag: &str) -> Error {
    Error::new(Kind::PermissionDenied, "NOT_ALLOWED", what.to_owned())
        .remedy(format!("start the service with {flag} and a token to allow it"))
}

fn may_load(trust: &Trust, uri: &str) -> bool {
    let plain = uri.strip_prefix("file://").unwrap_or(uri);
    let climbs = plain.split(['/', '\\']).any(|part| part == ".." || part.to_ascii_lowercase().contains("%2e"));
    !climbs
        && trust.load_prefixes.iter().any(|prefix| {
            let prefix = prefix.strip_prefix("file://").unwrap_or(prefix);
            plain.strip_prefix(prefix).is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
        })
}

/// Compares in a time that does not depend on where the texts differ.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_part_of_the_path() {
        let trust = Trust { load_prefixes: vec!["/models".into(), "s3://bucket/a/".into()], ..Trust::default() };
        for uri in ["/models", "/models/x", "file:///models/x", "s3://bucket/a/b"] {
            assert!(may_load(&trust, uri), "{uri}");
        }
        for uri in ["/models2", "/models/../etc", "/models/%2E%2e/etc", "s3://bucket/ab", "models", ""] {
            assert!(!may_load(&trust, uri), "{uri}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(equal(b"abc", b"abc") && !equal(b"abc", b"abd") && !equal(b"abc", b"ab") && !equal(b"", b"a"));
    }
}
