//! Buffers that begin at a cache line: loading a vector that lies across two lines takes twice as long.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Items, the first of which begins a cache line.
#[derive(Default)]
pub(super) struct Lines<T> {
    items: Vec<T>,
    first: usize,
    count: usize,
}

impl<T: Copy + Default> Lines<T> {
    /// Changes the length to `count`; the items keep whatever values are in memory.
    pub(super) fn reset(&mut self, count: usize) {
        let spare = LINE / size_of::<T>();
        if self.items.len() < count + spare {
            self.items.resize(count + spare, T::default());
        }
        self.first = self.items.as_ptr().align_offset(LINE).min(spare);
        self.count = count;
    }
}

impl<T> Deref for Lines<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items[self.first..][..self.count]
    }
}

impl<T> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items[self.first..][..self.count]
    }
}
