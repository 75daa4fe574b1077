//! Memory asked for before it is read.
#![allow(unsafe_code)]

/// Begins to bring values from memory, line by line. Nothing where the CPU is not one of x86-64.
#[inline]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        const LINE: usize = 64;
        for line in values.chunks((LINE / size_of::<T>()).max(1)) {
            // SAFETY: a hint that changes nothing, about memory of the slice.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
