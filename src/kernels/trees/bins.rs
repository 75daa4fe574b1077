//! Values become bins: how many of a feature's thresholds ("cuts") are less than the value, which decides every split of the
//! feature.
//!
//! A column of bins is of bytes or of words of 16 bits. A feature with more cuts than these can count gets several columns, each
//! for a stretch of its cuts. Nodes differ in the side to which they send a missing value, so a feature may have one column in
//! which missing values have the smallest bin and one in which they have the greatest. A split by categories, and one whose
//! threshold is NaN, has a column of its own, in which every value that goes left has the smallest bin and every other value the
//! greatest.

use std::{collections::HashMap, ops::Range};

use super::{
    BLOCK, Missing, Read, Value, index,
    lines::Lines,
    set::Set,
    walk::{Split, is_zero},
};
use crate::{error::Result, memory};

/// How many cuts are compared in one step of a search.
pub(super) const RUN: usize = 16;

/// The type of the bins of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Width {
    #[cfg(target_arch = "x86_64")]
    Byte,
    Word,
}

impl Width {
    /// How many cuts one column counts. The bin after them is that of values above all of them, and of missing values.
    const fn stretch(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Byte => u8::MAX as usize,
            Self::Word => u16::MAX as usize,
        }
    }

    /// The stretch that a cut belongs to, and its place there.
    fn split(self, position: usize) -> (usize, u16) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Byte => split::<{ Self::Byte.stretch() }>(position),
            Self::Word => split::<{ Self::Word.stretch() }>(position),
        }
    }
}

/// Division by a constant, which the compiler turns into a multiplication.
fn split<const STRETCH: usize>(position: usize) -> (usize, u16) {
    (position / STRETCH, (position % STRETCH) as u16)
}

/// The bins of some rows.
#[derive(Default)]
pub(super) struct Bins {
    /// For each [`BLOCK`] of rows, one run of as many bins for each column. The highest bit is flipped: vectors compare bytes as
    /// signed numbers.
    pub(super) bytes: Lines<i8>,
    /// How many columns of bytes there are.
    pub(super) columns: usize,
    /// Row by row, as a walk reads several columns of one row.
    pub(super) words: Vec<u16>,
    /// How many columns of words there are.
    pub(super) width: usize,
}

/// The bins of one block of the rows.
struct Piece<'a> {
    bytes: &'a mut [i8],
    words: &'a mut [u16],
    width: usize,
}

/// Computes bins from values.
pub(super) struct Quantiser<T> {
    slots: Vec<Slot<T>>,
    bytes: usize,
    words: usize,
}

/// The bins that are computed from one column of values.
struct Slot<T> {
    cuts: Cuts<T>,
    ordered: Vec<Ordered>,
    members: Vec<Member>,
}

/// The columns of a feature that count cuts and treat missing values alike.
struct Ordered {
    missing: Missing,
    missing_right: bool,
    columns: Vec<(Width, u32, usize)>,
}

/// A column that says to which side a split by categories sends a value.
struct Member {
    set: Set,
    inside_right: bool,
    missing: Missing,
    missing_right: bool,
    width: Width,
    column: usize,
}

/// The cuts of a feature as a search tree of runs of [`RUN`] cuts. Each level holds the last cut of every run of the level below.
/// Every level is filled up with NaN, which no value is above, so that a search never goes past its end.
struct Cuts<T> {
    /// From the top, which is one run, to the bottom, which holds all cuts.
    levels: Vec<Vec<[T; RUN]>>,
}

impl<T: Value> Cuts<T> {
    fn new(cuts: &[T]) -> Self {
        let mut levels = Vec::new();
        if cuts.is_empty() {
            return Self { levels };
        }
        let mut level = cuts.to_vec();
        loop {
            level.resize((level.len() + 1).next_multiple_of(RUN), T::NAN);
            let runs: Vec<[T; RUN]> = level.chunks_exact(RUN).filter_map(|run| run.first_chunk().copied()).collect();
            // The last of these is NaN, with which the next level is filled up anyway.
            level = runs.iter().map(|run| run[RUN - 1]).collect();
            level.pop();
            levels.push(runs);
            if level.is_empty() {
                break;
            }
        }
        levels.reverse();
        Self { levels }
    }

    /// Counts the cuts that are less than each value; none is less than NaN. `below` counts those of one run.
    #[inline(always)]
    fn count(&self, values: &[T], counts: &mut [u32], below: &impl Fn(&[T; RUN], T) -> u32) {
        let Some((top, levels)) = self.levels.split_first() else { return counts.fill(0) };
        // The top level is one run, which stays in registers.
        counts.iter_mut().zip(values).for_each(|(at, &value)| *at = below(&top[0], value));
        for level in levels {
            for (at, &value) in counts.iter_mut().zip(values) {
                *at = *at * RUN as u32 + below(&level[*at as usize], value);
            }
        }
    }
}

impl<T: Value> Quantiser<T> {
    pub(super) fn memory(&self) -> usize {
        let slot = |slot: &Slot<T>| {
            let runs: usize = slot.cuts.levels.iter().map(Vec::len).sum();
            let columns: usize = slot.ordered.iter().map(|ordered| ordered.columns.len()).sum();
            let sets: usize = slot.members.iter().map(|member| member.set.memory() + size_of::<Member>()).sum();
            runs * RUN * size_of::<T>() + columns * size_of::<(Width, u32, usize)>() + sets
        };
        self.slots.iter().map(slot).sum()
    }

    /// Fills the bins of some rows.
    pub(super) fn fill(&self, read: Read<'_, T>, rows: usize, bins: &mut Bins) {
        self.fill_by(read, rows, bins, |run, value| run.iter().map(|cut| u32::from(*cut < value)).sum());
    }

    /// The same, where `below` counts the cuts of a run that are less than a value.
    #[inline(always)]
    pub(super) fn fill_by(&self, read: Read<'_, T>, rows: usize, bins: &mut Bins, below: impl Fn(&[T; RUN], T) -> u32) {
        let blocks = rows.div_ceil(BLOCK);
        // A tree that was filled up may compare column 0 even where no split has a column.
        bins.columns = self.bytes.max(1);
        bins.bytes.reset(blocks * bins.columns * BLOCK);
        bins.width = self.words.max(1);
        bins.words.resize(blocks * bins.width * BLOCK, 0);
        for start in (0..rows).step_by(BLOCK) {
            let piece = Piece {
                bytes: &mut bins.bytes[start * bins.columns..][..bins.columns * BLOCK],
                words: &mut bins.words[start * bins.width..][..bins.width * BLOCK],
                width: bins.width,
            };
            self.fill_block(read, start..rows.min(start + BLOCK), piece, &below);
        }
    }

    /// Fills the bins of a block.
    #[inline(always)]
    fn fill_block(&self, read: Read<'_, T>, block: Range<usize>, mut bins: Piece<'_>, below: &impl Fn(&[T; RUN], T) -> u32) {
        let rows = block.len();
        let (mut values, mut counts, mut adjusted) = ([T::ZERO; BLOCK], [0u32; BLOCK], [0u32; BLOCK]);
        let values = &mut values[..rows];
        for (at, slot) in self.slots.iter().enumerate() {
            read(at, block.clone(), values);
            let values = &*values;
            slot.cuts.count(values, &mut counts[..rows], below);
            for ordered in &slot.ordered {
                let missing = if ordered.missing_right { u32::MAX } else { 0 };
                let counts = match (ordered.missing, ordered.missing_right) {
                    // No cut is less than NaN, so its count is zero already.
                    (Missing::Nan, false) => &counts,
                    (Missing::Nan, true) => replaced(&counts, values, &mut adjusted, T::is_nan, missing),
                    (Missing::Zero, _) => replaced(&counts, values, &mut adjusted, is_zero, missing),
                    (Missing::Never, _) => {
                        let mut zero = [0];
                        slot.cuts.count(&[T::ZERO], &mut zero, below);
                        replaced(&counts, values, &mut adjusted, T::is_nan, zero[0])
                    }
                };
                for &(width, base, column) in &ordered.columns {
                    match width {
                        #[cfg(target_arch = "x86_64")]
                        Width::Byte => {
                            let bin = |count: u32| (count.saturating_sub(base).min(0xff) as u8 ^ 0x80) as i8;
                            let to = &mut bins.bytes[column * BLOCK..][..rows];
                            to.iter_mut().zip(counts).for_each(|(to, &count)| *to = bin(count));
                        }
                        Width::Word => {
                            let bin = |count: u32| count.saturating_sub(base).min(0xffff) as u16;
                            let to = bins.words[column..].iter_mut().step_by(bins.width);
                            to.zip(&counts[..rows]).for_each(|(to, &count)| *to = bin(count));
                        }
                    }
                }
            }
            slot.members.iter().for_each(|member| member.fill(values, &mut bins));
        }
    }
}

/// The counts of the values, with `count` in place of those of missing values.
#[inline(always)]
fn replaced<'a, T: Value>(
    counts: &[u32; BLOCK],
    values: &[T],
    to: &'a mut [u32; BLOCK],
    missing: impl Fn(T) -> bool,
    count: u32,
) -> &'a [u32; BLOCK] {
    for ((to, &from), &value) in to.iter_mut().zip(counts).zip(values) {
        *to = if missing(value) { count } else { from };
    }
    to
}

impl Member {
    #[inline(always)]
    fn fill<T: Value>(&self, values: &[T], bins: &mut Piece<'_>) {
        let right = |value: T| match value.is_nan() || (self.missing == Missing::Zero && is_zero(value)) {
            true => self.missing_right,
            false => self.set.contains(value.double()) == self.inside_right,
        };
        match self.width {
            #[cfg(target_arch = "x86_64")]
            Width::Byte => {
                let to = &mut bins.bytes[self.column * BLOCK..][..values.len()];
                to.iter_mut().zip(values).for_each(|(to, &value)| *to = if right(value) { i8::MAX } else { i8::MIN });
            }
            Width::Word => {
                let to = bins.words[self.column..].iter_mut().step_by(bins.width);
                to.zip(values).for_each(|(to, &value)| *to = if right(value) { u16::MAX } else { 0 });
            }
        }
    }
}

/// What distinguishes columns of categories: slot, set, whether members go right, treatment of missing values, and type of bin.
type MemberKey = (u32, Set, bool, Missing, bool, Width);

/// Collects the columns that the splits of the trees need.
pub(super) struct Builder<T> {
    cuts: Vec<Vec<T>>,
    /// For each node with a cut, how many cuts of its feature are less than that.
    positions: Vec<u32>,
    /// For each slot and treatment of missing values, the place of its columns in `columns`; 0, an entry without columns, until
    /// it has one.
    treated: Vec<u32>,
    /// For a feature and treatment of missing values, the columns of bytes and of words by stretch of the cuts: the number of the
    /// column plus one, or 0 where there is none yet.
    columns: Vec<[Vec<usize>; 2]>,
    made: Vec<(Vec<Ordered>, Vec<Member>)>,
    members: HashMap<MemberKey, usize>,
    bytes: usize,
    words: usize,
}

/// How many treatments of missing values there are.
const TREATMENTS: usize = 6;

/// The place in [`Builder::treated`] of a split's slot and treatment of missing values.
#[inline(always)]
fn treatment<T>(split: &Split<'_, T>) -> usize {
    split.slot as usize * TREATMENTS + split.missing as usize * 2 + usize::from(split.missing_right)
}

/// How a split is decided: a row goes left where its bin in this column is at most `bin`, which is less than the greatest bin.
pub(super) struct Comparison {
    pub(super) column: usize,
    pub(super) bin: u16,
}

impl<T: Value> Builder<T> {
    /// No columns yet, for the cuts of each slot, which belong to `nodes` nodes in all.
    pub(super) fn new(nodes: usize, cuts: Vec<Vec<T::Ranked>>) -> Self {
        let mut positions = memory::room(nodes);
        positions.resize(nodes, 0);
        let treated = vec![0; cuts.len() * TREATMENTS];
        let made = cuts.iter().map(|_| Default::default()).collect();
        let sorted = |mut found: Vec<T::Ranked>| {
            found.sort_unstable();
            let mut cuts = Vec::new();
            for (cut, node) in found.into_iter().map(T::of_ranked) {
                if cuts.last() != Some(&cut) {
                    cuts.push(cut);
                }
                positions[node as usize] = cuts.len() as u32 - 1;
            }
            cuts
        };
        let cuts = cuts.into_iter().map(sorted).collect();
        let columns = vec![Default::default()];
        Self { cuts, positions, treated, columns, made, members: HashMap::new(), bytes: 0, words: 0 }
    }

    /// How many columns of a type the splits by a cut need at least.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn least_columns(&self, width: Width) -> usize {
        self.cuts.iter().map(|cuts| cuts.len().div_ceil(width.stretch())).sum()
    }

    /// The comparison that decides a node's split. Adds the column if it does not exist yet.
    #[inline(always)]
    pub(super) fn comparison(&mut self, node: u32, split: &Split<'_, T>, width: Width) -> Result<Comparison> {
        if split.set.is_some() || split.cut.is_nan() {
            return Ok(self.membership(split, width));
        }
        let (stretch, bin) = width.split(self.positions[node as usize] as usize);
        let made = &self.columns[self.treated[treatment(split)] as usize];
        let column = match made[width as usize].get(stretch) {
            Some(&column) if column > 0 => column - 1,
            _ => self.column(split, width, stretch)?,
        };
        Ok(Comparison { column, bin })
    }

    /// A new column for a stretch of a feature's cuts.
    #[inline(never)]
    fn column(&mut self, split: &Split<'_, T>, width: Width, stretch: usize) -> Result<usize> {
        let (column, base) = (self.next(width), index(stretch * width.stretch())?);
        let treated = &mut self.treated[treatment(split)];
        if *treated == 0 {
            *treated = index(self.columns.len())?;
            self.columns.push(Default::default());
        }
        let known = &mut self.columns[*treated as usize][width as usize];
        known.resize(known.len().max(stretch + 1), 0);
        known[stretch] = column + 1;
        let &Split { slot, missing, missing_right, .. } = split;
        let made = &mut self.made[slot as usize].0;
        match made.iter_mut().find(|made| (made.missing, made.missing_right) == (missing, missing_right)) {
            Some(made) => made.columns.push((width, base, column)),
            None => made.push(Ordered { missing, missing_right, columns: vec![(width, base, column)] }),
        }
        Ok(column)
    }

    /// The comparison for a split by categories, or for one with a cut of NaN, which no number is at most.
    #[inline(never)]
    fn membership(&mut self, split: &Split<'_, T>, width: Width) -> Comparison {
        let &Split { slot, set, missing, missing_right, .. } = split;
        match set {
            Some((set, inside_right)) => self.member((slot, set.clone(), inside_right, missing, missing_right, width)),
            None => {
                // Where NaN is compared as zero it goes right like every number.
                let missing_right = missing_right || missing == Missing::Never;
                self.member((slot, Set::default(), false, missing, missing_right, width))
            }
        }
    }

    fn member(&mut self, key: MemberKey) -> Comparison {
        let column = match self.members.get(&key) {
            Some(&column) => column,
            None => {
                let (slot, ref set, inside_right, missing, missing_right, width) = key;
                let column = self.next(width);
                let member = Member { set: set.clone(), inside_right, missing, missing_right, width, column };
                self.made[slot as usize].1.push(member);
                self.members.insert(key, column);
                column
            }
        };
        Comparison { column, bin: 0 }
    }

    fn next(&mut self, width: Width) -> usize {
        let count = match width {
            #[cfg(target_arch = "x86_64")]
            Width::Byte => &mut self.bytes,
            Width::Word => &mut self.words,
        };
        *count += 1;
        *count - 1
    }

    pub(super) fn finish(self) -> Quantiser<T> {
        let slot = |(cuts, (ordered, members)): (Vec<T>, _)| Slot { cuts: Cuts::new(&cuts), ordered, members };
        Quantiser { slots: self.cuts.into_iter().zip(self.made).map(slot).collect(), bytes: self.bytes, words: self.words }
    }
}
