//! Looks up the values of leaves by number and adds them, 32 rows at a time.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::avx512;

/// A type whose values are looked up and added with vectors.
pub trait Add: Sized {
    /// How many bytes a value has. Each has tables of its own.
    const PLANES: usize;

    /// One byte of a value.
    fn plane(self, plane: usize) -> u8;

    /// Looks up the values of leaves by the rows' numbers, in `RUNS` tables for each of [`Add::PLANES`] bytes, and adds them to
    /// as many sums in the order of `place`. The number of rows is a multiple of 32.
    ///
    /// # Safety
    /// The CPU has AVX2; there are that many tables.
    unsafe fn add<const RUNS: usize>(tables: &[[u8; 16]], numbers: &[u8], sums: &mut [Self]);

    /// The same with AVX-512, for a multiple of 64 rows.
    ///
    /// # Safety
    /// The CPU has AVX-512 F, BW, VL and VBMI; there are that many tables.
    unsafe fn add_avx512<const RUNS: usize>(tables: &[[u8; 16]], numbers: &[u8], sums: &mut [Self]);
}

/// One byte of the value of the leaf that each row has reached.
///
/// # Safety
/// There are `RUNS` tables for each byte up to `plane`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn look<const RUNS: usize>(tables: &[[u8; 16]], plane: usize, numbers: __m256i) -> __m256i {
    let run = |run: usize| {
        // SAFETY: the caller vouches for the table; it has 16 bytes.
        let table = unsafe { _mm_loadu_si128(tables.get_unchecked(plane * RUNS + run).as_ptr().cast()) };
        // A shuffle uses the lowest four bits, and the highest, which is never set since numbers are below 64.
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), numbers)
    };
    // A blend chooses by the highest bit of each byte: the bits that say which run a number is in are moved there.
    let (second, upper) = (_mm256_slli_epi16::<3>(numbers), _mm256_slli_epi16::<2>(numbers));
    match RUNS {
        1 => run(0),
        2 => _mm256_blendv_epi8(run(0), run(1), second),
        _ => {
            let (low, high) = (_mm256_blendv_epi8(run(0), run(1), second), _mm256_blendv_epi8(run(2), run(3), second));
            _mm256_blendv_epi8(low, high, upper)
        }
    }
}

impl Add for f32 {
    const PLANES: usize = 4;

    fn plane(self, plane: usize) -> u8 {
        self.to_le_bytes()[plane]
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn add<const RUNS: usize>(tables: &[[u8; 16]], numbers: &[u8], sums: &mut [Self]) {
        for (numbers, sums) in numbers.as_chunks::<32>().0.iter().zip(sums.as_chunks_mut::<32>().0) {
            // SAFETY: 32 bytes.
            let numbers = unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) };
            // SAFETY: the caller vouches for four tables a run.
            let plane = |plane: usize| unsafe { look::<RUNS>(tables, plane, numbers) };
            let pairs = [(plane(0), plane(1)), (plane(2), plane(3))]
                .map(|(a, b)| [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)]);
            let to = sums.as_mut_ptr();
            for part in 0..4 {
                let (low, high) = (pairs[0][part / 2], pairs[1][part / 2]);
                let word = if part % 2 == 0 { _mm256_unpacklo_epi16(low, high) } else { _mm256_unpackhi_epi16(low, high) };
                // SAFETY: eight of the 32 sums.
                unsafe {
                    let to = to.add(part * 8);
                    _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), _mm256_castsi256_ps(word)));
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    unsafe fn add_avx512<const RUNS: usize>(tables: &[[u8; 16]], numbers: &[u8], sums: &mut [Self]) {
        // SAFETY: the caller vouches for the tables.
        unsafe { avx512::add_f32::<RUNS>(tables, numbers, sums) }
    }
}

impl Add for f64 {
    const PLANES: usize = 8;

    fn plane(self, plane: usize) -> u8 {
        self.to_le_bytes()[plane]
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn add<const RUNS: usize>(tables: &[[u8; 16]], numbers: &[u8], sums: &mut [Self]) {
        for (numbers, sums) in numbers.as_chunks::<32>().0.iter().zip(sums.as_chunks_mut::<32>().0) {
            // SAFETY: 32 bytes.
            let numbers = unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) };
            // SAFETY: the caller vouches for eight tables a run.
            let plane = |plane: usize| unsafe { look::<RUNS>(tables, plane, numbers) };
            let pairs = [0, 2, 4, 6].map(|at| {
                let (a, b) = (plane(at), plane(at + 1));
                [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)]
            });
            let to = sums.as_mut_ptr();
            for part in 0..4 {
                let quads = [0, 2].map(|pair| {
                    let (low, high) = (pairs[pair][part / 2], pairs[pair + 1][part / 2]);
                    if part % 2 == 0 { _mm256_unpacklo_epi16(low, high) } else { _mm256_unpackhi_epi16(low, high) }
                });
                let words = [_mm256_unpacklo_epi32(quads[0], quads[1]), _mm256_unpackhi_epi32(quads[0], quads[1])];
                for (half, word) in words.into_iter().enumerate() {
                    // SAFETY: four of the 32 sums.
                    unsafe {
                        let to = to.add(part * 8 + half * 4);
                        _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), _mm256_castsi256_pd(word)));
                    }
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    unsafe fn add_avx512<const RUNS: usize>(tables: &[[u8; 16]], numbers: &[u8], sums: &mut [Self]) {
        // SAFETY: the caller vouches for the tables.
        unsafe { avx512::add_f64::<RUNS>(tables, numbers, sums) }
    }
}
