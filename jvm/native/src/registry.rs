//! Numbers for what the JVM holds on to.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use mlflight::error::{Error, Kind, Result};

/// Values by number. Numbers are never used twice; 0 is none.
pub struct Registry<T> {
    what: &'static str,
    next: AtomicI64,
    values: Mutex<BTreeMap<i64, Arc<T>>>,
}

impl<T> Registry<T> {
    pub const fn new(what: &'static str) -> Self {
        Self { what, next: AtomicI64::new(1), values: Mutex::new(BTreeMap::new()) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Arc<T>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn insert(&self, value: T) -> i64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, Arc::new(value));
        number
    }

    pub fn get(&self, number: i64) -> Result<Arc<T>> {
        self.lock().get(&number).cloned().ok_or_else(|| {
            Error::new(Kind::Internal, "NO_SUCH_HANDLE", format!("{} {number} was closed or never was", self.what))
        })
    }

    pub fn remove(&self, number: i64) -> Option<Arc<T>> {
        self.lock().remove(&number)
    }

    pub fn len(&self) -> i64 {
        self.lock().len() as i64
    }
}
