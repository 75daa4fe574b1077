//! Room in the cache: the longest unused models go first, and none that somebody uses.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use super::{Cache, lock, manifest::Manifest};
use crate::store::Digest;

/// What has arrived of a download that nobody continues is kept so long.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

struct Model {
    used: SystemTime,
    directory: PathBuf,
    bytes: u64,
}

impl Cache {
    /// Removes models until the rest fits. What cannot be removed now is removed another time.
    pub(super) async fn evict(&self) {
        self.drop_abandoned();
        let Ok(_commit) = self.locks.exclusive(&self.root.join("commit.lock")).await else { return };
        let mut models = self.models();
        models.sort_by_key(|model| model.used);
        let mut total: u64 = models.iter().map(|model| model.bytes).sum();
        for model in models {
            if total <= self.max_bytes {
                return;
            }
            let path = model.directory.with_extension("lock");
            // Whoever uses the model shares its lock.
            let Some(_lock) = lock::attempt(&path) else { continue };
            let away = tempfile::Builder::new().prefix(".evicted-").tempdir_in(self.root.join("parts"));
            let Ok(away) = away else { return };
            if fs::rename(&model.directory, away.path().join("model")).is_ok() {
                tracing::info!(directory = %model.directory.display(), "removed a model from the cache");
                total -= model.bytes;
                let _ = fs::remove_file(model.directory.with_extension("json"));
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn models(&self) -> Vec<Model> {
        let Ok(found) = fs::read_dir(self.root.join("models")) else { return Vec::new() };
        let directories = found.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| Digest::parse(name).is_ok()) && path.is_dir()
        });
        let model = |directory: PathBuf| {
            let lock = fs::metadata(directory.with_extension("lock"));
            let used = lock.and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            let walked = || crate::store::walk::files(&directory).map_or(0, |files| files.iter().map(|file| file.size).sum());
            let bytes = Manifest::read(&directory).map_or_else(walked, |manifest| manifest.bytes);
            Model { used, directory, bytes }
        };
        directories.map(model).collect()
    }

    /// Removes what has arrived of downloads that nobody continues.
    fn drop_abandoned(&self) {
        let Ok(found) = fs::read_dir(self.root.join("parts")) else { return };
        for path in found.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            let age = |path: &PathBuf| fs::metadata(path).ok()?.modified().ok()?.elapsed().ok();
            // The record of a download changes as long as it goes on.
            let last = [path.join("state"), path.clone()].iter().filter_map(age).min();
            if last.is_none_or(|age| age < ABANDONED) {
                continue;
            }
            let id = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let lock = self.root.join("places").join(format!("{id}.lock"));
            if lock::attempt(&lock).is_some() {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}
