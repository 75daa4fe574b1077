//! What keeps a model's directory where it is.

use std::{fs::File, sync::Arc};

/// While one of these lives, the directory of a cached model is not removed.
#[derive(Debug, Clone)]
pub struct Lease(#[expect(dead_code, reason = "the open file holds the lock")] Arc<File>);

impl Lease {
    /// A lease by a lock that a file holds.
    #[cfg(feature = "remote")]
    pub(super) fn new(locked: File) -> Self {
        Self(Arc::new(locked))
    }
}

impl PartialEq for Lease {
    /// Which lock keeps a directory is nothing to the model in it.
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Lease {}
