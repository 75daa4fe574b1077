//! Large buffers in huge pages, and mapped files.
#![allow(unsafe_code)]

use std::{fs::File, io};

use bytes::Bytes;
use memmap2::MmapOptions;

/// Bytes of a huge page. With pages of 4 KB the page faults of a large buffer take longer than copying a model's file into it.
const PAGE: usize = 2 << 20;

/// An empty list with capacity for `count` items, in huge pages where the system gives them; without capacity where there is not
/// as much memory.
pub fn room<T>(count: usize) -> Vec<T> {
    let mut list = Vec::new();
    let _ = list.try_reserve_exact(count);
    advise(list.spare_capacity_mut());
    list
}

/// The bytes of a file, mapped into memory rather than copied.
///
/// If the file is shortened while the bytes are in use, reading beyond its new end kills the process (SIGBUS).
pub fn mapped(file: &File) -> io::Result<Bytes> {
    // SAFETY: nothing here writes to the file or through the map. That nobody else changes the file while it is mapped is the
    // duty of whoever names it, as with every program that maps files.
    let map = unsafe { MmapOptions::new().map_copy_read_only(file)? };
    Ok(Bytes::from_owner(map))
}

#[cfg(target_os = "linux")]
fn advise<T>(room: &mut [std::mem::MaybeUninit<T>]) {
    use rustix::mm::{Advice, madvise};
    let start = room.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(PAGE);
    let length = size_of_val(room).saturating_sub(skipped) / PAGE * PAGE;
    if length > 0 {
        // SAFETY: the pages lie inside the buffer, and this advice does not change the contents of memory. The system may ignore
        // it.
        let _ = unsafe { madvise(start.add(skipped).cast(), length, Advice::LinuxHugepage) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise<T>(_room: &mut [std::mem::MaybeUninit<T>]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_room_is_room_like_any() {
        for count in [0, 7, PAGE / 8, PAGE] {
            let mut list = room::<u64>(count);
            let start = list.as_ptr();
            list.extend(0..count as u64);
            assert_eq!(start, list.as_ptr());
            assert!(list.iter().zip(0..).all(|(&item, at)| item == at));
        }
        assert_eq!(room::<u64>(usize::MAX).capacity(), 0);
    }
}
