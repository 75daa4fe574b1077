//! The models of a service: those it was started with, by name, and a cache of loaded ones.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indexmap::IndexMap;

use super::LoadedModel;
use crate::error::{Error, Kind, Result};

/// Bounds of [`Models`].
#[derive(Debug, Clone)]
pub struct ModelsOptions {
    /// Bytes that loaded models may hold together; idle unnamed ones make room.
    pub memory_limit: Option<usize>,
    /// How many unnamed models are kept though nobody scores with them; the longest unused go first.
    pub idle_limit: usize,
    /// How long a model that failed to load is not tried again.
    pub remember_bad: Duration,
}

impl Default for ModelsOptions {
    fn default() -> Self {
        Self { memory_limit: None, idle_limit: 32, remember_bad: Duration::from_secs(60) }
    }
}

/// How many models that failed to load are remembered.
const REMEMBERED_BAD: usize = 256;

/// Loaded models: some by name for as long as the service runs, the others by key for as long as there is room. A key is loaded
/// by one caller at a time, the others wait for it; what failed for good is remembered for a while, so that retries fail at once.
#[derive(Default)]
pub struct Models {
    options: ModelsOptions,
    state: Mutex<CacheContents>,
    changed: Condvar,
}

#[derive(Default)]
struct CacheContents {
    named: IndexMap<String, Arc<LoadedModel>>,
    slots: HashMap<String, Slot>,
}

enum Slot {
    Loading,
    Ready { model: Arc<LoadedModel>, used: Instant },
    Bad { error: Error, until: Instant },
}

impl Models {
    /// No models, these bounds.
    pub fn new(options: ModelsOptions) -> Self {
        Self { options, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, CacheContents> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves `model` under `name`; the one that had the name before is returned.
    pub fn insert(&self, name: impl Into<String>, model: Arc<LoadedModel>) -> Option<Arc<LoadedModel>> {
        self.lock().named.insert(name.into(), model)
    }

    /// Serves `model` under `name` unless the name is taken; `false` where another model has it.
    pub fn insert_new(&self, name: &str, model: Arc<LoadedModel>) -> bool {
        let mut state = self.lock();
        let free = !state.named.contains_key(name);
        if free {
            state.named.insert(name.into(), model);
        }
        free
    }

    /// The model served under `name`.
    pub fn get(&self, name: &str) -> Option<Arc<LoadedModel>> {
        self.lock().named.get(name).cloned()
    }

    /// Names and models served, in the order they were added.
    pub fn list(&self) -> Vec<(String, Arc<LoadedModel>)> {
        self.lock().named.iter().map(|(name, model)| (name.clone(), model.clone())).collect()
    }

    /// Stops serving `name`; streams that score with the model keep it until they end. Whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        self.lock().named.shift_remove(name).is_some()
    }

    /// Drops what is cached under keys that start with `prefix`. Whether there was any.
    pub fn evict(&self, prefix: &str) -> bool {
        let mut state = self.lock();
        let before = state.slots.len();
        state.slots.retain(|key, slot| matches!(slot, Slot::Loading) || !key.starts_with(prefix));
        state.slots.len() < before
    }

    /// Bytes that the loaded models hold.
    pub fn memory(&self) -> usize {
        self.lock().memory()
    }

    /// The model of `key`, loaded by `load` where it is not there. Blocks: not for I/O threads.
    pub fn get_or_load(&self, key: &str, load: impl FnOnce() -> Result<Arc<LoadedModel>>) -> Result<Arc<LoadedModel>> {
        let mut state = self.lock();
        loop {
            match state.slots.get_mut(key) {
                Some(Slot::Ready { model, used }) => {
                    *used = Instant::now();
                    return Ok(model.clone());
                }
                Some(Slot::Bad { error, until }) if Instant::now() < *until => return Err(error.replica()),
                Some(Slot::Loading) => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Slot::Bad { .. }) | None => break,
            }
        }
        state.forget_bad();
        state.slots.insert(key.into(), Slot::Loading);
        drop(state);
        // Whatever happens in `load`, a panic included, the slot does not stay in loading.
        let mut unfinished = Unfinished { models: self, key, slot: None };
        let loaded = load();
        let now = Instant::now();
        unfinished.slot = match &loaded {
            Ok(model) => Some(Slot::Ready { model: model.clone(), used: now }),
            Err(error) if lasting(error.kind()) => {
                Some(Slot::Bad { error: error.replica(), until: now + self.options.remember_bad })
            }
            Err(_) => None,
        };
        drop(unfinished);
        let model = loaded?;
        self.make_room(key)?;
        Ok(model)
    }

    /// Drops the longest unused models that nobody scores with until the rest fits.
    fn make_room(&self, keep: &str) -> Result<()> {
        let mut state = self.lock();
        loop {
            let mut idle = state.idle(keep);
            let full = self.options.memory_limit.is_some_and(|limit| state.memory() > limit);
            if !full && idle.len() <= self.options.idle_limit {
                return Ok(());
            }
            if idle.is_empty() {
                let (needed, limit) = (state.memory(), self.options.memory_limit.unwrap_or_default());
                state.slots.remove(keep);
                return Err(Error::new(
                    Kind::ResourceExhausted,
                    "MODEL_MEMORY",
                    format!("the loaded models would hold {needed} bytes, the limit is {limit}"),
                )
                .remedy("unload a model or raise --model-memory-limit"));
            }
            state.slots.remove(&idle.swap_remove(0).1);
        }
    }
}

impl CacheContents {
    /// Keys of the models that nobody scores with, the longest unused first.
    fn idle(&self, keep: &str) -> Vec<(Instant, String)> {
        let mut idle: Vec<_> = self
            .slots
            .iter()
            .filter_map(|(key, slot)| match slot {
                // One count is the slot's own: nobody else has it, and nobody can get it while the lock is held.
                Slot::Ready { model, used } if key != keep && Arc::strong_count(model) == 1 => Some((*used, key.clone())),
                _ => None,
            })
            .collect();
        idle.sort();
        idle
    }

    /// Forgets failures that may be tried again, and the oldest of too many.
    fn forget_bad(&mut self) {
        let now = Instant::now();
        self.slots.retain(|_, slot| !matches!(slot, Slot::Bad { until, .. } if *until <= now));
        let bad = self.slots.iter().filter_map(|(key, slot)| match slot {
            Slot::Bad { until, .. } => Some((*until, key.clone())),
            _ => None,
        });
        let mut bad: Vec<_> = bad.collect();
        if bad.len() >= REMEMBERED_BAD {
            bad.sort();
            for (_, key) in bad.drain(..=bad.len() - REMEMBERED_BAD) {
                self.slots.remove(&key);
            }
        }
    }

    fn memory(&self) -> usize {
        let cached = self.slots.values().filter_map(|slot| match slot {
            Slot::Ready { model, .. } => Some(model),
            _ => None,
        });
        // A model can be both named and cached.
        let mut seen: Vec<*const LoadedModel> = Vec::new();
        self.named
            .values()
            .chain(cached)
            .filter(|model| {
                let pointer = Arc::as_ptr(model);
                let new = !seen.contains(&pointer);
                seen.push(pointer);
                new
            })
            .map(|model| model.model.memory())
            .sum()
    }
}

struct Unfinished<'a> {
    models: &'a Models,
    key: &'a str,
    slot: Option<Slot>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let mut state = self.models.lock();
        match self.slot.take() {
            Some(slot) => state.slots.insert(self.key.into(), slot),
            None => state.slots.remove(self.key),
        };
        drop(state);
        self.models.changed.notify_all();
    }
}

/// Whether trying again cannot help before the model or its environment is changed.
fn lasting(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::InvalidArgument | Kind::InvalidModel | Kind::FailedPrecondition | Kind::Unimplemented | Kind::ModelFailed
    )
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
