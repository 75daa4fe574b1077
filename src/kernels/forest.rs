//! Decision trees that compare in double precision and name the leaf a row falls into; what a leaf is worth is the library's affair.

use super::{
    BLOCK,
    block::{Block, Kind},
};
use crate::error::{Error, Kind as ErrorKind, Result};

/// Rows that walk side by side.
const LANES: usize = 8;
/// Levels all lanes take together before each goes on alone.
const TOGETHER: usize = 10;

/// One node of a tree as a library's model gives it.
#[derive(Debug, Clone, Copy)]
pub enum Node {
    /// A leaf, by the number [`Forest::leaves`] gives.
    Leaf(u32),
    /// A split.
    Split {
        /// The column looked at.
        column: u32,
        /// What sends a row left.
        test: Test,
        /// Whether a missing value goes left.
        missing_left: bool,
        /// The left child.
        left: u32,
        /// The right child.
        right: u32,
    },
}

/// What sends a row left.
#[derive(Debug, Clone, Copy)]
pub enum Test {
    /// The value is at most this.
    AtMost(f64),
    /// The category is in the set; what is in neither it nor the column's known ones counts as missing.
    In(Categories),
}

/// Categories below 256, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Categories {
    /// Those that go left.
    pub left: [u32; 8],
    /// Those seen in training.
    pub known: [u32; 8],
}

const MISSING_RIGHT: u32 = 1;
const SPLIT: u32 = 2;
const CATEGORICAL: u32 = 4;
const FLAG_BITS: u32 = 3;

/// Nodes lie level by level; the right child follows the left one. A leaf's `next` is its number.
#[derive(Clone, Copy)]
struct Packed {
    threshold: f64,
    column: u32,
    next: u32,
}

struct Root {
    node: u32,
    depth: u32,
}

/// Trees ready to score.
#[derive(Default)]
pub struct Forest {
    nodes: Vec<Packed>,
    roots: Vec<Root>,
    sets: Vec<Categories>,
}

fn malformed() -> Error {
    Error::new(ErrorKind::InvalidModel, "TREE_MALFORMED", "a tree's nodes do not form a tree")
}

impl Forest {
    /// Adds a tree over so many columns; the first node is its root.
    pub fn push(&mut self, nodes: &[Node], columns: usize) -> Result<()> {
        let start = self.nodes.len();
        let mut level = vec![0u32];
        let (mut depth, mut reached) = (0, 0);
        while !level.is_empty() {
            reached += level.len();
            if reached > nodes.len() {
                return Err(malformed());
            }
            let mut next = Vec::new();
            let first_child = self.nodes.len() + level.len();
            for &at in &level {
                let packed = match *nodes.get(at as usize).ok_or_else(malformed)? {
                    Node::Leaf(number) => Packed { threshold: 0.0, column: 0, next: number },
                    Node::Split { column, test, missing_left, left, right } => {
                        if column as usize >= columns || column >= 1 << (32 - FLAG_BITS) {
                            return Err(malformed());
                        }
                        let child = u32::try_from(first_child + next.len()).map_err(|_| malformed())?;
                        next.extend([left, right]);
                        let (threshold, categorical) = match test {
                            Test::AtMost(threshold) => (threshold, 0),
                            Test::In(set) => {
                                self.sets.push(set);
                                ((self.sets.len() - 1) as f64, CATEGORICAL)
                            }
                        };
                        let flags = SPLIT | categorical | if missing_left { 0 } else { MISSING_RIGHT };
                        Packed { threshold, column: column << FLAG_BITS | flags, next: child }
                    }
                };
                self.nodes.push(packed);
            }
            if !next.is_empty() {
                depth += 1;
            }
            level = next;
        }
        self.roots.push(Root { node: u32::try_from(start).map_err(|_| malformed())?, depth });
        Ok(())
    }

    /// How many trees there are.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there is no tree.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.nodes.len() * size_of::<Packed>() + self.roots.len() * size_of::<Root>() + self.sets.len() * size_of::<Categories>()
    }

    /// The leaf's number of each row of a block for one tree.
    pub fn leaves(&self, tree: usize, input: &Block, out: &mut Vec<u32>) {
        let root = &self.roots[tree];
        let together = (root.depth as usize).min(TOGETHER);
        let rows = input.rows();
        out.clear();
        out.resize(rows.next_multiple_of(LANES), root.node);
        for (group, lanes) in out.chunks_exact_mut(LANES).enumerate() {
            let start = group * LANES;
            if start + LANES <= rows {
                for _ in 0..together {
                    for (lane, at) in lanes.iter_mut().enumerate() {
                        *at = self.step(*at, input, start + lane);
                    }
                }
            }
            for (lane, at) in lanes.iter_mut().enumerate() {
                if start + lane < rows {
                    *at = self.finish(*at, input, start + lane);
                }
            }
        }
        out.truncate(rows);
    }

    fn finish(&self, mut at: u32, input: &Block, row: usize) -> u32 {
        while self.nodes[at as usize].column & SPLIT != 0 {
            at = self.step(at, input, row);
        }
        self.nodes[at as usize].next
    }

    #[inline(always)]
    fn step(&self, at: u32, input: &Block, row: usize) -> u32 {
        let node = self.nodes[at as usize];
        if node.column & SPLIT == 0 {
            return at;
        }
        let value = input.at(row, (node.column >> FLAG_BITS) as usize);
        let right = if node.column & CATEGORICAL != 0 {
            self.category(node, value)
        } else if value.is_nan() {
            node.column & MISSING_RIGHT
        } else {
            #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "a threshold that is NaN sends every value right")]
            let right = !(value <= node.threshold);
            u32::from(right)
        };
        node.next + right
    }

    #[inline(never)]
    fn category(&self, node: Packed, value: f64) -> u32 {
        let missing = node.column & MISSING_RIGHT;
        if !(0.0..256.0).contains(&value) {
            return missing;
        }
        let (set, category) = (&self.sets[node.threshold as usize], value as usize);
        let has = |bits: &[u32; 8]| bits[category / 32] >> (category % 32) & 1 == 1;
        match (has(&set.left), has(&set.known)) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => missing,
        }
    }
}

/// Copies a block, rounded to single precision.
pub fn single(input: &Block, out: &mut Block) {
    out.reset(input.rows(), input.width(), Kind::Single);
    for column in 0..input.width() {
        for (out, value) in out.column_mut(column).iter_mut().zip(input.column(column)) {
            *out = f64::from(*value as f32);
        }
    }
}

const _: () = assert!(BLOCK.is_multiple_of(LANES));
