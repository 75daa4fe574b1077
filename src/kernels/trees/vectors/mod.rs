//! Scoring with vectors: 64 rows are compared at all nodes of a small tree, without a conditional jump.
#![allow(unsafe_code)]

mod add;
mod avx512;
mod look;
mod pass;

use std::ops::Range;

use super::{
    BLOCK, Leaves, Read, Scratch, Sum, Value,
    bins::Quantiser,
    compared::{ComparedForest, Meaning, TreeForm},
    lines::Lines,
};
pub use add::Add;
pub use look::Look;

/// How many rows one step compares.
const ROWS: usize = 64;

/// A forest with the rows to be scored.
pub(super) struct Block<'a, T, S> {
    /// Whether AVX-512 is used where it is faster than AVX2; the CPU must then have AVX-512 F, BW, VL and VBMI.
    pub(super) avx512: bool,
    pub(super) bins: &'a Quantiser<T>,
    pub(super) forest: &'a ComparedForest,
    pub(super) leaves: &'a Leaves<S>,
    pub(super) read: Read<'a, T>,
    pub(super) stride: usize,
    pub(super) rows: usize,
}

/// Working memory.
#[derive(Default)]
pub(super) struct Vectors<S> {
    /// For each [`BLOCK`] of rows, one run of as many sums for each output, in the order of [`place`].
    sums: Lines<S>,
    /// One byte for each of [`ROWS`] rows in each slot.
    slots: Lines<u8>,
}

/// Adds the leaves that the rows reach in some trees.
pub(super) fn add<T: Value, S: Sum>(block: &Block<'_, T, S>, trees: Range<usize>, scratch: &mut Scratch<S>, out: &mut [S]) {
    // SAFETY: `Ensemble::new` builds this form for `Path::Avx2` and `Path::Avx512` alone, which exist where the CPU has AVX2 and
    // POPCNT.
    unsafe { run(block, trees, scratch, out) }
}

/// Where a row's sum is kept. In this order bytes are widened to sums without moving them between the two halves of a vector.
#[inline(always)]
const fn place<S>(row: usize) -> usize {
    let items = 16 / size_of::<S>();
    let (half, row_of_half) = (row >> 4 & 1, row & 15);
    (row & !31) + row_of_half / items * (2 * items) + half * items + row_of_half % items
}

#[target_feature(enable = "avx2,popcnt")]
fn run<T: Value, S: Sum>(block: &Block<'_, T, S>, trees: Range<usize>, scratch: &mut Scratch<S>, out: &mut [S]) {
    let Block { avx512, bins, forest, leaves, read, stride, rows } = *block;
    let Scratch { bins: space, cursors, vectors: Vectors { sums, slots } } = scratch;
    match avx512 {
        // SAFETY: this function has the features that `look` needs.
        false => bins.fill_by(read, rows, space, |run, value| unsafe { T::look(run, value) }),
        // SAFETY: the CPU has AVX-512, as `avx512` says.
        true => unsafe { avx512::fill(bins, read, rows, space) },
    }
    // How many sums a block has.
    let size = (out.len() / stride).max(1) * BLOCK;
    sums.reset(rows.div_ceil(BLOCK) * size);
    for (start, sums) in (0..rows).step_by(BLOCK).zip(sums.chunks_exact_mut(size)) {
        for (sums, out) in sums.chunks_exact_mut(BLOCK).zip(out.chunks_exact(stride)) {
            let out = &out[start..rows.min(start + BLOCK)];
            out.iter().enumerate().for_each(|(row, &sum)| sums[place::<S>(row)] = sum);
        }
    }
    pass::prepare(slots, forest.slots);
    let mut numbers = pass::Numbers([0; BLOCK]);
    for tree in trees {
        let blocks = sums.chunks_exact_mut(size);
        let sums = blocks.map(|sums| &mut sums[leaves.outputs[tree] as usize * BLOCK..][..leaves.width * BLOCK]);
        let (first, then) = match forest.trees[tree] {
            TreeForm::Numbers(first, then) => (first, then),
            TreeForm::Walk(root) => {
                leaves.fetch(tree, rows);
                let found = forest.deep.walk(space, 0..rows).down(root, cursors).chunks(BLOCK);
                found.zip(sums).for_each(|(found, sums)| leaves.add(found, sums, BLOCK, place::<S>));
                continue;
            }
        };
        for ((start, sums), bytes) in (0..rows).step_by(BLOCK).zip(sums).zip(space.bytes.chunks_exact(space.columns * BLOCK)) {
            let padded = (rows - start).min(BLOCK).next_multiple_of(ROWS);
            pass::numbers(avx512, forest, first, bytes, padded, slots, &mut numbers);
            let numbers = &numbers.0[..padded];
            match then {
                Meaning::Tables { table, runs } => {
                    let size = usize::from(runs) * S::PLANES;
                    let tables = forest.tables[table as usize..][..size * leaves.width].chunks_exact(size);
                    for (tables, sums) in tables.zip(sums.chunks_exact_mut(BLOCK)) {
                        // SAFETY: this function has the features that `add` needs, and the CPU has AVX-512 where `avx512` says so;
                        // there are `runs` times PLANES tables.
                        unsafe {
                            match (avx512, runs) {
                                (false, 1) => S::add::<1>(tables, numbers, sums),
                                (false, 2) => S::add::<2>(tables, numbers, sums),
                                (false, _) => S::add::<4>(tables, numbers, sums),
                                (true, 1) => S::add_avx512::<1>(tables, numbers, sums),
                                (true, 2) => S::add_avx512::<2>(tables, numbers, sums),
                                (true, _) => S::add_avx512::<4>(tables, numbers, sums),
                            }
                        }
                    }
                }
                Meaning::Leaves { start: list } => {
                    let places = &forest.places[list as usize..];
                    leaves.add(numbers.iter().map(|&number| &places[usize::from(number)]), sums, BLOCK, place::<S>);
                }
                Meaning::Nodes { start: list, levels } => {
                    let places = &forest.places[list as usize..];
                    let walk = forest.deep.walk(space, start..rows.min(start + BLOCK));
                    let from = numbers.iter().take(rows - start).map(|&number| places[usize::from(number)]);
                    leaves.add(walk.down_from(from, levels, cursors), sums, BLOCK, place::<S>);
                }
            }
        }
    }
    for (start, sums) in (0..rows).step_by(BLOCK).zip(sums.chunks_exact(size)) {
        for (sums, out) in sums.chunks_exact(BLOCK).zip(out.chunks_exact_mut(stride)) {
            let out = &mut out[start..rows.min(start + BLOCK)];
            out.iter_mut().enumerate().for_each(|(row, sum)| *sum = sums[place::<S>(row)]);
        }
    }
}
