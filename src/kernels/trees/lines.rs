//! Memory that begins with a line of the cache: a vector that lies across two takes twice as long to load.

use std::ops::{Deref, DerefMut};

/// Bytes of a line.
const LINE: usize = 64;

/// Items from the start of a line on.
#[derive(Default)]
pub(super) struct Lines<T> {
    items: Vec<T>,
    first: usize,
    count: usize,
}

impl<T: Copy + Default> Lines<T> {
    /// Makes room for so many items; they are whatever was there.
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
