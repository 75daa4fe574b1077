//! Compares 64 rows at the nodes of a tree and gives each the number of the leaf, or node, that it reaches.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{
    super::{
        BLOCK,
        compared::{ByteComparison, ComparedForest, Numbering, Step},
    },
    Lines, ROWS, avx512,
};

/// A number for each row of a block.
#[repr(align(64))]
pub(super) struct Numbers(pub(super) [u8; BLOCK]);

/// Fills the slots that hold the numbers of leaves.
pub(super) fn prepare(slots: &mut Lines<u8>, count: usize) {
    if slots.len() < count * ROWS {
        slots.reset(count * ROWS);
        slots.chunks_exact_mut(ROWS).enumerate().for_each(|(number, slot)| slot.fill(number as u8));
    }
}

/// Computes the numbers of the first `rows` rows of a block, a multiple of [`ROWS`].
#[target_feature(enable = "avx2")]
pub(super) fn numbers(
    avx512: bool,
    forest: &ComparedForest,
    first: Numbering,
    bytes: &[i8],
    rows: usize,
    slots: &mut [u8],
    numbers: &mut Numbers,
) {
    let chunks = numbers.0[..rows].as_chunks_mut::<ROWS>().0;
    match first {
        Numbering::Nothing => chunks.as_flattened_mut().fill(0),
        Numbering::Full { depth, node } => {
            let nodes = &forest.nodes[node as usize..][..(1 << depth) - 1];
            for (at, chunk) in chunks.iter_mut().enumerate() {
                // SAFETY: every node's column is of BLOCK bytes inside `bytes`, and `chunks` are of one block; the CPU has
                // AVX-512 where `avx512` says so.
                unsafe {
                    let bytes = bytes.as_ptr().add(at * ROWS);
                    match avx512 {
                        false => full(depth, nodes, bytes, chunk),
                        true => avx512::full(depth, nodes, bytes, chunk),
                    }
                }
            }
        }
        Numbering::Steps { step, count } => {
            let steps = &forest.steps[step as usize..][..count as usize];
            assert!(slots.len() >= forest.slots * ROWS);
            for (at, chunk) in chunks.iter_mut().enumerate() {
                // SAFETY: as above; steps name slots of the forest.
                unsafe {
                    let bytes = bytes.as_ptr().add(at * ROWS);
                    match avx512 {
                        false => in_steps(steps, bytes, slots.as_mut_ptr(), chunk),
                        true => avx512::in_steps(steps, bytes, slots.as_mut_ptr(), chunk),
                    }
                }
            }
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(numbers: [__m256i; 2], to: &mut [u8; ROWS]) {
    // SAFETY: twice 32 bytes into an array of 64.
    unsafe {
        _mm256_storeu_si256(to.as_mut_ptr().cast(), numbers[0]);
        _mm256_storeu_si256(to.as_mut_ptr().add(32).cast(), numbers[1]);
    }
}

/// Compares the rows at one node: all bits of a row's byte are set where it goes left.
macro_rules! left {
    ($node:expr, $bytes:ident) => {{
        let node: ByteComparison = $node;
        let cut = _mm256_set1_epi32(i32::from_ne_bytes(node.cut.map(i8::cast_unsigned)));
        let column = $bytes.add(node.column as usize);
        (
            _mm256_cmpgt_epi8(cut, _mm256_loadu_si256(column.cast())),
            _mm256_cmpgt_epi8(cut, _mm256_loadu_si256(column.add(32).cast())),
        )
    }};
}

/// The number of the leaf that is reached under a node, with as many levels below its children as there are further arguments;
/// `$place` is the node's place in its level.
macro_rules! leaf_under {
    ($node:expr, $place:expr, $nodes:ident, $bytes:ident,) => {{
        let left = left!(*$nodes.add($node), $bytes);
        let right_leaf = _mm256_set1_epi8((2 * $place + 1) as i8);
        (_mm256_add_epi8(right_leaf, left.0), _mm256_add_epi8(right_leaf, left.1))
    }};
    ($node:expr, $place:expr, $nodes:ident, $bytes:ident, $level:tt $($below:tt)*) => {{
        let l = leaf_under!(2 * $node + 1, 2 * $place, $nodes, $bytes, $($below)*);
        let r = leaf_under!(2 * $node + 2, 2 * $place + 1, $nodes, $bytes, $($below)*);
        let left = left!(*$nodes.add($node), $bytes);
        (_mm256_blendv_epi8(r.0, l.0, left.0), _mm256_blendv_epi8(r.1, l.1, left.1))
    }};
}

/// The numbers of the leaves that 64 rows reach in a full tree of `depth` levels.
///
/// It is never inlined into a loop over rows: the compiler would then keep the vectors that are the same for all rows in memory,
/// and loading them takes longer than making them again.
///
/// # Safety
/// There are `2^depth - 1` nodes, beyond each of whose columns 64 of `bytes` can be read.
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn full(depth: u8, nodes: &[ByteComparison], bytes: *const i8, to: &mut [u8; ROWS]) {
    let nodes = nodes.as_ptr();
    // SAFETY: the caller vouches for the columns; node numbers stay below 2^depth - 1.
    let (low, high) = unsafe {
        match depth {
            1 => leaf_under!(0, 0, nodes, bytes,),
            2 => leaf_under!(0, 0, nodes, bytes, 1),
            3 => leaf_under!(0, 0, nodes, bytes, 1 1),
            4 => leaf_under!(0, 0, nodes, bytes, 1 1 1),
            5 => leaf_under!(0, 0, nodes, bytes, 1 1 1 1),
            _ => leaf_under!(0, 0, nodes, bytes, 1 1 1 1 1),
        }
    };
    store([low, high], to);
}

/// The numbers of the leaves that 64 rows reach in a tree of any shape.
///
/// # Safety
/// Beyond the column of each step 64 of `bytes` can be read; slots are 64 bytes each.
#[target_feature(enable = "avx2")]
unsafe fn in_steps(steps: &[Step], bytes: *const i8, slots: *mut u8, to: &mut [u8; ROWS]) {
    let mut last = [_mm256_setzero_si256(); 2];
    for step in steps {
        // SAFETY: the caller vouches for the column and the slots.
        unsafe {
            let slot = |slot: u16| slots.add(usize::from(slot) * ROWS).cast::<[__m256i; 2]>();
            let left = left!(step.comparison, bytes);
            let (of_left, of_right) = (slot(step.left), slot(step.right));
            let half = |half: usize, left: __m256i| {
                let load = |slot: *mut [__m256i; 2]| _mm256_loadu_si256(slot.cast::<__m256i>().add(half));
                _mm256_blendv_epi8(load(of_right), load(of_left), left)
            };
            last = [half(0, left.0), half(1, left.1)];
            slot(step.to).write_unaligned(last);
        }
    }
    store(last, to);
}
