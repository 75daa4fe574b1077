//! Byte columns against cuts in 256-bit vectors: 64 rows pass all nodes of a tree without a branch.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{
    BLOCK, Scratch,
    bytes::{Column, Cuts, Forest, Form, Kind, Part, Step},
};

/// Rows a step works on.
const ROWS: usize = 64;

/// Adds the trees' leaves for `rows` rows of a block.
pub(super) fn add(part: Part<'_>, columns: &[f32], rows: usize, scratch: &mut Scratch, out: &mut [f32]) {
    let forest = part.forest;
    let padded = rows.next_multiple_of(ROWS);
    // A tree may compare with column 0 even where no split needs one.
    scratch.bytes.resize((forest.columns.len().max(1)) * BLOCK, 0);
    scratch.sums.resize(out.len(), 0.0);
    assert!(padded <= BLOCK && columns.len() >= forest.cuts.len() * BLOCK);
    // SAFETY: `Ensemble::new` builds this form for `Path::Avx2` alone, which exists where AVX2 and POPCNT were detected.
    unsafe {
        quantise(forest, columns, rows, &mut scratch.bytes);
        for (sums, run) in scratch.sums.chunks_exact_mut(BLOCK).zip(out.chunks_exact(BLOCK)) {
            for row in 0..padded {
                sums[place(row)] = run[row];
            }
        }
        trees(&part, columns, rows, padded, &scratch.bytes, &mut scratch.sums);
    }
    for (sums, run) in scratch.sums.chunks_exact(BLOCK).zip(out.chunks_exact_mut(BLOCK)) {
        for (row, value) in run[..rows].iter_mut().enumerate() {
            *value = sums[place(row)];
        }
    }
}

/// Where a row's sum is kept: the order in which bytes widen to words without crossing lanes.
fn place(row: usize) -> usize {
    let (group, lane, quarter, item) = (row & !31, row >> 4 & 1, row >> 2 & 3, row & 3);
    group + quarter * 8 + lane * 4 + item
}

#[target_feature(enable = "avx2,popcnt")]
fn quantise(forest: &Forest, columns: &[f32], rows: usize, bytes: &mut [i8]) {
    let mut counts = [0u32; BLOCK];
    let mut counted = None;
    for (column, to) in forest.columns.iter().zip(bytes.chunks_exact_mut(BLOCK)) {
        let values = &columns[column.slot as usize * BLOCK..][..rows];
        match &column.kind {
            Kind::Member(set) => {
                for (to, &value) in to.iter_mut().zip(values) {
                    let right = if value.is_nan() { column.missing_right } else { set.contains(value) };
                    *to = if right { 0 } else { -1 };
                }
            }
            Kind::Cuts { base } => {
                if counted != Some(column.slot) {
                    count(&forest.cuts[column.slot as usize], values, &mut counts);
                    counted = Some(column.slot);
                }
                stretch(column, *base, values, &counts, to);
            }
        }
    }
}

/// How many cuts are not above each value; none for NaN.
#[target_feature(enable = "avx2,popcnt")]
fn count(cuts: &Cuts, values: &[f32], counts: &mut [u32; BLOCK]) {
    if cuts.count > 255 {
        for (to, &value) in counts.iter_mut().zip(values) {
            *to = cuts.padded[..cuts.count].partition_point(|&cut| cut <= value) as u32;
        }
        return;
    }
    // Two looks at 16 cuts each: which run of 16, and where in it.
    let mut lasts = [f32::NAN; 16];
    lasts.iter_mut().enumerate().for_each(|(run, last)| *last = cuts.padded[run * 16 + 15]);
    let at_most = |run: &[f32], value: __m256| -> u32 {
        let run: &[f32; 16] = match run.first_chunk() {
            Some(run) => run,
            None => return 0,
        };
        // SAFETY: both loads lie inside the 16 values.
        let (low, high) = unsafe { (_mm256_loadu_ps(run.as_ptr()), _mm256_loadu_ps(run.as_ptr().add(8))) };
        let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(low, value)) as u32;
        let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(high, value)) as u32;
        (low | high << 8).count_ones()
    };
    for (to, &value) in counts.iter_mut().zip(values) {
        let value = _mm256_set1_ps(value);
        let run = at_most(&lasts, value);
        *to = run * 16 + at_most(&cuts.padded[(run * 16) as usize & 0xf0..], value);
    }
}

/// The bytes of one stretch of cuts, flipped to compare signed.
#[target_feature(enable = "avx2,popcnt")]
fn stretch(column: &Column, base: usize, values: &[f32], counts: &[u32; BLOCK], to: &mut [i8]) {
    let base = base as u32;
    for ((to, &count), value) in to.iter_mut().zip(counts).zip(values) {
        let missing = value.is_nan() & column.missing_right;
        let byte = count.saturating_sub(base).min(255) as u8 | if missing { 255 } else { 0 };
        *to = (byte ^ 0x80) as i8;
    }
}

/// The row comparisons of one node: all ones where a row goes left.
macro_rules! left {
    ($node:expr, $columns:ident, $cuts:ident) => {{
        let cut = _mm256_set1_epi8(*$cuts.add($node));
        let column = $columns.1.add(*$columns.0.add($node) as usize);
        (
            _mm256_cmpgt_epi8(cut, _mm256_loadu_si256(column.cast())),
            _mm256_cmpgt_epi8(cut, _mm256_loadu_si256(column.add(32).cast())),
        )
    }};
}

/// The number of the leaf under a node with `$deep` levels below it; `$place` is the node's place in its level.
macro_rules! leaf_under {
    ($node:expr, $place:expr, $columns:ident, $cuts:ident,) => {{
        let left = left!($node, $columns, $cuts);
        let right_leaf = _mm256_set1_epi8((2 * $place + 1) as i8);
        (_mm256_add_epi8(right_leaf, left.0), _mm256_add_epi8(right_leaf, left.1))
    }};
    ($node:expr, $place:expr, $columns:ident, $cuts:ident, $level:tt $($below:tt)*) => {{
        let l = leaf_under!(2 * $node + 1, 2 * $place, $columns, $cuts, $($below)*);
        let r = leaf_under!(2 * $node + 2, 2 * $place + 1, $columns, $cuts, $($below)*);
        let left = left!($node, $columns, $cuts);
        (_mm256_blendv_epi8(r.0, l.0, left.0), _mm256_blendv_epi8(r.1, l.1, left.1))
    }};
}

#[target_feature(enable = "avx2,popcnt")]
fn trees(part: &Part<'_>, columns: &[f32], rows: usize, padded: usize, bytes: &[i8], sums: &mut [f32]) {
    let forest = part.forest;
    let mut stack = vec![[_mm256_setzero_si256(); 2]; forest.stack];
    for index in part.trees.clone() {
        let (output, form) = &forest.trees[index];
        let sums = &mut sums[*output as usize * BLOCK..][..BLOCK];
        match *form {
            Form::Constant(value) => sums[..padded].iter_mut().for_each(|sum| *sum += value),
            Form::Walk => part.walk.leaves(index, columns, 0..rows, |row, leaf| sums[place(row)] += leaf),
            Form::Full { depth, node, table } => {
                let nodes = (1usize << depth) - 1;
                let node_columns = &forest.node_columns[node as usize..][..nodes];
                let cuts = &forest.node_cuts[node as usize..][..nodes];
                let runs = (1usize << depth).div_ceil(16);
                let tables = &forest.tables[table as usize..][..runs * 4];
                for row in (0..padded).step_by(ROWS) {
                    // SAFETY: every entry of `node_columns` begins a column of BLOCK bytes inside `bytes`, and
                    // `row + ROWS <= padded <= BLOCK`.
                    let leaves = unsafe { full(depth, node_columns, cuts, bytes.as_ptr().add(row)) };
                    let sums = &mut sums[row..row + ROWS];
                    match runs {
                        1 => add_from::<1>(tables, leaves, sums),
                        2 => add_from::<2>(tables, leaves, sums),
                        _ => add_from::<4>(tables, leaves, sums),
                    }
                }
            }
            Form::Steps { step, count, leaf } => {
                let steps = &forest.steps[step as usize..][..count as usize];
                let leaves = &forest.leaves[leaf as usize..][..count as usize + 1];
                for row in (0..padded).step_by(ROWS) {
                    let numbers = in_steps(steps, bytes, row, &mut stack);
                    for (offset, number) in numbers.into_iter().enumerate() {
                        sums[place(row + offset)] += leaves[usize::from(number)];
                    }
                }
            }
        }
    }
}

/// Numbers of the leaves of 64 rows in a tree filled up to `depth` levels.
///
/// # Safety
/// `bytes` is readable for 64 bytes beyond each of `node_columns`; there are `2^depth - 1` of these and of `cuts`.
#[target_feature(enable = "avx2,popcnt")]
unsafe fn full(depth: u8, node_columns: &[u32], cuts: &[i8], bytes: *const i8) -> (__m256i, __m256i) {
    let columns = (node_columns.as_ptr(), bytes);
    let cuts = cuts.as_ptr();
    // SAFETY: the caller vouches for the columns; node numbers stay below 2^depth - 1.
    unsafe {
        match depth {
            1 => leaf_under!(0, 0, columns, cuts,),
            2 => leaf_under!(0, 0, columns, cuts, 1),
            3 => leaf_under!(0, 0, columns, cuts, 1 1),
            4 => leaf_under!(0, 0, columns, cuts, 1 1 1),
            5 => leaf_under!(0, 0, columns, cuts, 1 1 1 1),
            _ => leaf_under!(0, 0, columns, cuts, 1 1 1 1 1),
        }
    }
}

/// Looks 64 rows' leaves up in tables of 16 and adds them.
#[target_feature(enable = "avx2,popcnt")]
fn add_from<const RUNS: usize>(tables: &[[u8; 16]], leaves: (__m256i, __m256i), sums: &mut [f32]) {
    for (leaves, sums) in [leaves.0, leaves.1].into_iter().zip(sums.chunks_exact_mut(32)) {
        // The bits that choose the table, moved where a blend looks.
        let (second, upper) = (_mm256_slli_epi16::<3>(leaves), _mm256_slli_epi16::<2>(leaves));
        let plane = |plane: usize| {
            let look = |run: usize| {
                // SAFETY: 16 bytes of an array of 16.
                let table = unsafe { _mm_loadu_si128(tables[run * 4 + plane].as_ptr().cast()) };
                // A shuffle looks at the low four bits, and at the top one, which is never set: leaf numbers are below 64.
                _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), leaves)
            };
            match RUNS {
                1 => look(0),
                2 => _mm256_blendv_epi8(look(0), look(1), second),
                _ => {
                    let (low, high) =
                        (_mm256_blendv_epi8(look(0), look(1), second), _mm256_blendv_epi8(look(2), look(3), second));
                    _mm256_blendv_epi8(low, high, upper)
                }
            }
        };
        let (a, b, c, d) = (plane(0), plane(1), plane(2), plane(3));
        let (low_ab, high_ab) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
        let (low_cd, high_cd) = (_mm256_unpacklo_epi8(c, d), _mm256_unpackhi_epi8(c, d));
        let words = [
            _mm256_unpacklo_epi16(low_ab, low_cd),
            _mm256_unpackhi_epi16(low_ab, low_cd),
            _mm256_unpacklo_epi16(high_ab, high_cd),
            _mm256_unpackhi_epi16(high_ab, high_cd),
        ];
        for (word, sums) in words.into_iter().zip(sums.chunks_exact_mut(8)) {
            // SAFETY: the chunk has eight values.
            unsafe {
                let sum = _mm256_add_ps(_mm256_loadu_ps(sums.as_ptr()), _mm256_castsi256_ps(word));
                _mm256_storeu_ps(sums.as_mut_ptr(), sum);
            }
        }
    }
}

/// Numbers of the leaves of 64 rows in a tree of any shape.
#[target_feature(enable = "avx2,popcnt")]
fn in_steps(steps: &[Step], bytes: &[i8], row: usize, stack: &mut [[__m256i; 2]]) -> [u8; ROWS] {
    let mut last = [_mm256_setzero_si256(); 2];
    for step in steps {
        let column: &[i8] = &bytes[step.column as usize + row..][..ROWS];
        let cut = _mm256_set1_epi8(step.cut);
        let get = |place: u16, half: usize, stack: &[[__m256i; 2]]| match place & Step::STACK {
            0 => _mm256_set1_epi8(place as u8 as i8),
            _ => stack[usize::from(place & !Step::STACK)][half],
        };
        for (half, last) in last.iter_mut().enumerate() {
            // SAFETY: the column has 64 bytes here.
            let values = unsafe { _mm256_loadu_si256(column.as_ptr().add(half * 32).cast()) };
            let left = _mm256_cmpgt_epi8(cut, values);
            *last = _mm256_blendv_epi8(get(step.right, half, stack), get(step.left, half, stack), left);
        }
        stack[usize::from(step.to)] = last;
    }
    let mut numbers = [0u8; ROWS];
    // SAFETY: 64 bytes into an array of 64.
    unsafe {
        _mm256_storeu_si256(numbers.as_mut_ptr().cast(), last[0]);
        _mm256_storeu_si256(numbers.as_mut_ptr().add(32).cast(), last[1]);
    }
    numbers
}
