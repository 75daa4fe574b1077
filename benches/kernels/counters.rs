//! What a thread takes: CPU time, and memory.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static COUNTED: Cell<Counted> = const { Cell::new(Counted { calls: 0, live: 0, peak: 0 }) };
}

/// Allocations of a thread since it last asked, and the bytes it then held beyond those it had.
#[derive(Clone, Copy)]
pub struct Counted {
    /// How often memory was asked for.
    pub calls: u64,
    live: i64,
    /// The most bytes held at once.
    pub peak: i64,
}

/// The system's allocator, with a count of what each thread does.
pub struct Counting;

fn count(calls: u64, bytes: i64) {
    COUNTED.with(|cell| {
        let Counted { calls: before, live, peak } = cell.get();
        let live = live + bytes;
        cell.set(Counted { calls: before + calls, live, peak: peak.max(live) });
    });
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What this thread allocates while something runs.
pub fn counted<T>(run: impl FnOnce() -> T) -> (T, Counted) {
    COUNTED.set(Counted { calls: 0, live: 0, peak: 0 });
    let made = run();
    (made, COUNTED.get())
}

/// CPU time of this thread in nanoseconds. Not by `rustix`, whose way to the clock `valgrind` does not survive.
pub fn cpu() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the one time it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
