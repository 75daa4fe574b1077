//! Counts the cuts that are less than a value, 16 at a time.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use crate::kernels::trees::bins::RUN;

/// A type whose cuts are searched with vectors.
pub trait Look: Sized {
    /// How many cuts of a run are less than a value; none for NaN.
    ///
    /// # Safety
    /// The CPU has AVX2 and POPCNT.
    unsafe fn look(run: &[Self; RUN], value: Self) -> u32;

    /// The same with AVX-512.
    ///
    /// # Safety
    /// The CPU has AVX-512 F and POPCNT.
    unsafe fn look_avx512(run: &[Self; RUN], value: Self) -> u32;
}

impl Look for f32 {
    #[target_feature(enable = "avx2,popcnt")]
    #[inline]
    unsafe fn look(run: &[Self; RUN], value: Self) -> u32 {
        let value = _mm256_set1_ps(value);
        // SAFETY: both loads lie inside the 16 values.
        let (low, high) = unsafe { (_mm256_loadu_ps(run.as_ptr()), _mm256_loadu_ps(run.as_ptr().add(8))) };
        let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(low, value)) as u32;
        let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(high, value)) as u32;
        (low | high << 8).count_ones()
    }

    #[target_feature(enable = "avx512f,popcnt")]
    #[inline]
    unsafe fn look_avx512(run: &[Self; RUN], value: Self) -> u32 {
        // SAFETY: all 16 values.
        let cuts = unsafe { _mm512_loadu_ps(run.as_ptr()) };
        u32::from(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(cuts, _mm512_set1_ps(value))).count_ones()
    }
}

impl Look for f64 {
    #[target_feature(enable = "avx2,popcnt")]
    #[inline]
    unsafe fn look(run: &[Self; RUN], value: Self) -> u32 {
        let value = _mm256_set1_pd(value);
        let below = |at: usize| {
            // SAFETY: four of the 16 values.
            let cuts = unsafe { _mm256_loadu_pd(run.as_ptr().add(at)) };
            _mm256_castpd_si256(_mm256_cmp_pd::<_CMP_LT_OQ>(cuts, value))
        };
        let (low, high) = (_mm256_packs_epi32(below(0), below(4)), _mm256_packs_epi32(below(8), below(12)));
        // Two bits a cut.
        (_mm256_movemask_epi8(_mm256_packs_epi16(low, high)) as u32).count_ones() / 2
    }

    #[target_feature(enable = "avx512f,popcnt")]
    #[inline]
    unsafe fn look_avx512(run: &[Self; RUN], value: Self) -> u32 {
        let value = _mm512_set1_pd(value);
        // SAFETY: both loads lie inside the 16 values.
        let (low, high) = unsafe { (_mm512_loadu_pd(run.as_ptr()), _mm512_loadu_pd(run.as_ptr().add(8))) };
        let low = u32::from(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(low, value));
        let high = u32::from(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(high, value));
        (low | high << 8).count_ones()
    }
}
