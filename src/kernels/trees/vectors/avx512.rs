//! The parts that are faster with AVX-512: 64 rows of bytes are one vector, a comparison gives one bit for each row, and a table
//! of 64 leaves is one register.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{
    super::{
        Read, Value,
        bins::{Bins, Quantiser},
        compared::{ByteComparison, Step},
    },
    ROWS, place,
};

/// Fills the bins.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,popcnt")]
pub(super) fn fill<T: Value>(quantiser: &Quantiser<T>, read: Read<'_, T>, rows: usize, bins: &mut Bins) {
    // SAFETY: this function has the features that `look_avx512` needs.
    quantiser.fill_by(read, rows, bins, |run, value| unsafe { T::look_avx512(run, value) });
}

/// The number of the leaf that is reached under a node. `$level` and the numbers after it count the levels below the node's
/// children. Leaves are first numbered within each subtree of three levels, so that the eight numbers stay in registers; the
/// levels above add to them. `$place` is the node's place within its level of that subtree.
macro_rules! leaf_under {
    ($node:expr, $place:expr, $nodes:ident, $bytes:ident,) => {{
        let (left, right) = (_mm512_set1_epi8((2 * $place) as i8), _mm512_set1_epi8((2 * $place + 1) as i8));
        _mm512_mask_blend_epi8(left!(*$nodes.add($node), $bytes), right, left)
    }};
    ($node:expr, $place:expr, $nodes:ident, $bytes:ident, $level:literal $($below:literal)*) => {{
        let (left, right) = if $level < 3 { (2 * $place, 2 * $place + 1) } else { (0, 0) };
        let (left, right) = (
            leaf_under!(2 * $node + 1, left, $nodes, $bytes, $($below)*),
            leaf_under!(2 * $node + 2, right, $nodes, $bytes, $($below)*),
        );
        let right = if $level < 3 { right } else { _mm512_add_epi8(right, _mm512_set1_epi8(1 << $level)) };
        _mm512_mask_blend_epi8(left!(*$nodes.add($node), $bytes), right, left)
    }};
}

/// The rows that go left at a node.
macro_rules! left {
    ($node:expr, $bytes:ident) => {{
        let node: ByteComparison = $node;
        let cut = _mm512_set1_epi32(i32::from_ne_bytes(node.cut.map(i8::cast_unsigned)));
        _mm512_cmpgt_epi8_mask(cut, _mm512_loadu_si512($bytes.add(node.column as usize).cast()))
    }};
}

/// The numbers of the leaves that 64 rows reach in a full tree of `depth` levels.
///
/// # Safety
/// There are `2^depth - 1` nodes, beyond each of whose columns 64 of `bytes` can be read.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
#[inline(never)]
pub(super) unsafe fn full(depth: u8, nodes: &[ByteComparison], bytes: *const i8, to: &mut [u8; ROWS]) {
    let nodes = nodes.as_ptr();
    // SAFETY: the caller vouches for the columns; node numbers stay below 2^depth - 1; `to` has 64 bytes.
    unsafe {
        let numbers = match depth {
            1 => leaf_under!(0, 0, nodes, bytes,),
            2 => leaf_under!(0, 0, nodes, bytes, 1),
            3 => leaf_under!(0, 0, nodes, bytes, 2 1),
            4 => leaf_under!(0, 0, nodes, bytes, 3 2 1),
            5 => leaf_under!(0, 0, nodes, bytes, 4 3 2 1),
            _ => leaf_under!(0, 0, nodes, bytes, 5 4 3 2 1),
        };
        _mm512_storeu_si512(to.as_mut_ptr().cast(), numbers);
    }
}

/// The numbers of the leaves that 64 rows reach in a tree of any shape.
///
/// # Safety
/// Beyond the column of each step 64 of `bytes` can be read; slots are 64 bytes each.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
pub(super) unsafe fn in_steps(steps: &[Step], bytes: *const i8, slots: *mut u8, to: &mut [u8; ROWS]) {
    let mut last = _mm512_setzero_si512();
    // SAFETY: the caller vouches for the columns and the slots; `to` has 64 bytes.
    unsafe {
        for step in steps {
            let slot = |slot: u16| slots.add(usize::from(slot) * ROWS).cast::<__m512i>();
            let (left, right) = (_mm512_loadu_si512(slot(step.left)), _mm512_loadu_si512(slot(step.right)));
            last = _mm512_mask_blend_epi8(left!(step.comparison, bytes), right, left);
            _mm512_storeu_si512(slot(step.to), last);
        }
        _mm512_storeu_si512(to.as_mut_ptr().cast(), last);
    }
}

/// For each byte of a vector the row that it belongs to, so that widening the bytes gives sums in the order of [`place`].
const fn order<S>() -> [u8; ROWS] {
    let items = 16 / size_of::<S>();
    let (mut order, mut row) = ([0; ROWS], 0);
    while row < ROWS {
        // Widened, each quarter of a vector gives some items to each vector of sums.
        let (vector, quarter, item) = (place::<S>(row) / (4 * items), place::<S>(row) / items % 4, place::<S>(row) % items);
        order[quarter * 16 + vector * items + item] = row as u8;
        row += 1;
    }
    order
}

/// The numbers of 64 rows, put in another order.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
#[inline]
fn ordered(numbers: &[u8; ROWS], order: &[u8; ROWS]) -> __m512i {
    // SAFETY: twice 64 bytes.
    let (numbers, order) = unsafe { (_mm512_loadu_si512(numbers.as_ptr().cast()), _mm512_loadu_si512(order.as_ptr().cast())) };
    _mm512_permutexvar_epi8(order, numbers)
}

/// One byte of the value of the leaf that each row has reached.
///
/// # Safety
/// There are `RUNS` tables for each byte up to `plane`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
#[inline]
unsafe fn look<const RUNS: usize>(tables: &[[u8; 16]], plane: usize, numbers: __m512i) -> __m512i {
    // SAFETY: the caller vouches for `RUNS` tables of 16 bytes for each byte of a value.
    let table = unsafe {
        let tables = tables.as_ptr().add(plane * RUNS);
        match RUNS {
            1 => _mm512_broadcast_i32x4(_mm_loadu_si128(tables.cast())),
            2 => _mm512_broadcast_i64x4(_mm256_loadu_si256(tables.cast())),
            _ => _mm512_loadu_si512(tables.cast()),
        }
    };
    _mm512_permutexvar_epi8(numbers, table)
}

/// [`super::Add::add_avx512`].
///
/// # Safety
/// There are `RUNS` tables for each of four bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
#[inline]
pub(super) unsafe fn add_f32<const RUNS: usize>(tables: &[[u8; 16]], numbers: &[u8], sums: &mut [f32]) {
    const ORDER: [u8; ROWS] = order::<f32>();
    for (numbers, sums) in numbers.as_chunks::<ROWS>().0.iter().zip(sums.as_chunks_mut::<ROWS>().0) {
        let numbers = ordered(numbers, &ORDER);
        // SAFETY: the caller vouches for the tables.
        let plane = |plane: usize| unsafe { look::<RUNS>(tables, plane, numbers) };
        let pairs = [0, 2].map(|at| {
            let (a, b) = (plane(at), plane(at + 1));
            [_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b)]
        });
        for (part, sums) in sums.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let (low, high) = (pairs[0][part / 2], pairs[1][part / 2]);
            let word = if part % 2 == 0 { _mm512_unpacklo_epi16(low, high) } else { _mm512_unpackhi_epi16(low, high) };
            // SAFETY: 16 sums.
            unsafe {
                _mm512_storeu_ps(sums.as_mut_ptr(), _mm512_add_ps(_mm512_loadu_ps(sums.as_ptr()), _mm512_castsi512_ps(word)))
            }
        }
    }
}

/// [`super::Add::add_avx512`].
///
/// # Safety
/// There are `RUNS` tables for each of eight bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
#[inline]
pub(super) unsafe fn add_f64<const RUNS: usize>(tables: &[[u8; 16]], numbers: &[u8], sums: &mut [f64]) {
    const ORDER: [u8; ROWS] = order::<f64>();
    for (numbers, sums) in numbers.as_chunks::<ROWS>().0.iter().zip(sums.as_chunks_mut::<ROWS>().0) {
        let numbers = ordered(numbers, &ORDER);
        // SAFETY: the caller vouches for the tables.
        let plane = |plane: usize| unsafe { look::<RUNS>(tables, plane, numbers) };
        let pairs = [0, 2, 4, 6].map(|at| {
            let (a, b) = (plane(at), plane(at + 1));
            [_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b)]
        });
        for (part, sums) in sums.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let quads = [0, 2].map(|pair| {
                let (low, high) = (pairs[pair][part / 2], pairs[pair + 1][part / 2]);
                if part % 2 == 0 { _mm512_unpacklo_epi16(low, high) } else { _mm512_unpackhi_epi16(low, high) }
            });
            let words = [_mm512_unpacklo_epi32(quads[0], quads[1]), _mm512_unpackhi_epi32(quads[0], quads[1])];
            for (sums, word) in sums.as_chunks_mut::<8>().0.iter_mut().zip(words) {
                // SAFETY: eight sums.
                unsafe {
                    _mm512_storeu_pd(sums.as_mut_ptr(), _mm512_add_pd(_mm512_loadu_pd(sums.as_ptr()), _mm512_castsi512_pd(word)))
                }
            }
        }
    }
}
