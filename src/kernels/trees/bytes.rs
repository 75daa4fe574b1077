//! The vector form's data: values become bytes, and every node of a tree becomes one comparison of bytes.
//!
//! Trees only ever ask on which side of a threshold a value lies. With the thresholds ("cuts") of a feature sorted, the count of
//! cuts that are not above a value answers all of them, exactly; up to 255 cuts it fits a byte. A feature with more cuts gets
//! several byte columns, each for a stretch of 255. A missing value must fall on either side as the node says, so there is a column
//! where it counts as the least value and one where it counts as the greatest. A categorical split is a column of its own.

use std::ops::Range;

use super::{BLOCK, Node, Scratch, Set, Slots, Test, Tree, avx2, malformed, walk};
use crate::error::Result;

/// Cuts of one byte column.
const STRETCH: usize = 255;
/// Leaves that a byte can tell apart.
const MOST_LEAVES: usize = 256;
/// Depth up to which a tree is filled up and kept in registers.
pub(super) const FULL_DEPTH: usize = 6;

/// What a byte column says of its feature.
pub(super) enum Kind {
    /// How many of the cuts from `base` on are not above the value.
    Cuts { base: usize },
    /// Whether the value is a category of the set.
    Member(Set),
}

/// One byte column.
pub(super) struct Column {
    pub(super) slot: u32,
    pub(super) missing_right: bool,
    pub(super) kind: Kind,
}

/// How one tree is evaluated.
pub(super) enum Form {
    /// Nothing but a leaf.
    Constant(f32),
    /// Filled up to `depth` levels: its nodes level by level from `node` on, `table` = first of its leaf tables.
    Full { depth: u8, node: u32, table: u32 },
    /// Children before parents, from `step` on; leaves from `leaf` on.
    Steps { step: u32, count: u32, leaf: u32 },
    /// Too many leaves: the rows walk.
    Walk,
}

/// One step of a [`Form::Steps`] tree: compare, and choose between two leaves' numbers or two earlier results.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) column: u32,
    pub(super) cut: i8,
    /// A leaf's number, or a slot of the working stack with [`Step::STACK`] set.
    pub(super) left: u16,
    pub(super) right: u16,
    pub(super) to: u16,
}

impl Step {
    pub(super) const STACK: u16 = 0x8000;
}

/// All trees.
pub(super) struct Forest {
    pub(super) columns: Vec<Column>,
    /// Sorted thresholds by slot of the block, filled with NaN to a multiple of 256.
    pub(super) cuts: Vec<Cuts>,
    pub(super) trees: Vec<(u32, Form)>,
    /// Of full trees: where the byte column begins, in bytes, and the cut's place.
    pub(super) node_columns: Vec<u32>,
    pub(super) node_cuts: Vec<i8>,
    /// Leaves of full trees, byte by byte: table `t` holds byte `t % 4` of leaves in runs of 16.
    pub(super) tables: Vec<[u8; 16]>,
    pub(super) steps: Vec<Step>,
    pub(super) leaves: Vec<f32>,
    /// Slots of the working stack that the deepest [`Form::Steps`] tree needs.
    pub(super) stack: usize,
}

/// Some of the trees, with the form that takes over where this one cannot.
pub(super) struct Part<'a> {
    pub(super) forest: &'a Forest,
    pub(super) walk: &'a walk::Forest,
    pub(super) trees: Range<usize>,
}

/// The thresholds of one feature.
#[derive(Default)]
pub(super) struct Cuts {
    pub(super) padded: Vec<f32>,
    pub(super) count: usize,
}

impl Cuts {
    fn new(mut cuts: Vec<f32>) -> Self {
        cuts.sort_unstable_by(f32::total_cmp);
        // -0.0 and 0.0 are one threshold.
        cuts.dedup_by(|a, b| a == b);
        let count = cuts.len();
        cuts.resize(count.next_multiple_of(256).max(256), f32::NAN);
        Self { padded: cuts, count }
    }

    fn position(&self, threshold: f32) -> usize {
        self.padded[..self.count].partition_point(|&cut| cut < threshold)
    }
}

impl Forest {
    pub(super) fn new(trees: &[Tree], slots: &Slots<'_>) -> Result<Self> {
        let mut cuts = vec![Vec::new(); slots.features.len()];
        for node in trees.iter().flat_map(|tree| &tree.nodes) {
            // A threshold that is NaN has no place among the others: such trees walk.
            if let Node::Split { feature, test: Test::Less(threshold), .. } = *node
                && !threshold.is_nan()
            {
                cuts[slots.of(feature) as usize].push(threshold);
            }
        }
        let cuts = cuts.into_iter().map(Cuts::new).collect();
        let mut forest = Self {
            columns: Vec::new(),
            cuts,
            trees: Vec::with_capacity(trees.len()),
            node_columns: Vec::new(),
            node_cuts: Vec::new(),
            tables: Vec::new(),
            steps: Vec::new(),
            leaves: Vec::new(),
            stack: 0,
        };
        let mut known = std::collections::HashMap::new();
        for tree in trees {
            let form = forest.form(tree, slots, &mut known)?;
            forest.trees.push((tree.output, form));
        }
        Ok(forest)
    }

    pub(super) fn memory(&self) -> usize {
        self.cuts.iter().map(|cuts| cuts.padded.len() * 4).sum::<usize>()
            + self.columns.len() * size_of::<Column>()
            + self.trees.len() * size_of::<(u32, Form)>()
            + self.node_columns.len() * 5
            + self.tables.len() * 16
            + self.steps.len() * size_of::<Step>()
            + self.leaves.len() * 4
    }

    pub(super) fn add(
        &self,
        walk: &walk::Forest,
        trees: Range<usize>,
        columns: &[f32],
        rows: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        avx2::add(Part { forest: self, walk, trees }, columns, rows, scratch, out);
    }

    fn form(&mut self, tree: &Tree, slots: &Slots<'_>, known: &mut Known) -> Result<Form> {
        let nan = |node: &Node| matches!(node, Node::Split { test: Test::Less(threshold), .. } if threshold.is_nan());
        if tree.nodes.iter().any(nan) {
            return Ok(Form::Walk);
        }
        let order = Order::new(tree)?;
        if order.leaves == 1 {
            return Ok(match tree.nodes[0] {
                Node::Leaf(value) => Form::Constant(value),
                Node::Split { .. } => return Err(malformed()),
            });
        }
        if order.depth <= FULL_DEPTH {
            return self.full(tree, order.depth, slots, known);
        }
        if order.leaves > MOST_LEAVES {
            return Ok(Form::Walk);
        }
        self.in_steps(tree, &order, slots, known)
    }

    fn full(&mut self, tree: &Tree, depth: usize, slots: &Slots<'_>, known: &mut Known) -> Result<Form> {
        let node = self.node_columns.len();
        let mut level = vec![0u32];
        for _ in 0..depth {
            let mut next = Vec::with_capacity(level.len() * 2);
            for at in level {
                match tree.nodes[at as usize] {
                    // Both children are the leaf itself: whichever side is taken is right.
                    Node::Leaf(_) => {
                        self.node_columns.push(0);
                        self.node_cuts.push(0);
                        next.extend([at, at]);
                    }
                    split @ Node::Split { left, right, .. } => {
                        let (column, cut) = self.comparison(&split, tree, slots, known)?;
                        self.node_columns.push(column);
                        self.node_cuts.push(cut);
                        next.extend([left, right]);
                    }
                }
            }
            level = next;
        }
        let table = self.tables.len();
        for run in level.chunks(16) {
            let mut bytes = [[0u8; 16]; 4];
            for (place, &at) in run.iter().enumerate() {
                let Node::Leaf(value) = tree.nodes[at as usize] else { return Err(malformed()) };
                value.to_le_bytes().into_iter().enumerate().for_each(|(plane, byte)| bytes[plane][place] = byte);
            }
            self.tables.extend(bytes);
        }
        Ok(Form::Full { depth: depth as u8, node: node as u32, table: table as u32 })
    }

    fn in_steps(&mut self, tree: &Tree, order: &Order, slots: &Slots<'_>, known: &mut Known) -> Result<Form> {
        let (step, leaf) = (self.steps.len(), self.leaves.len());
        // Where each node's result is: a leaf's number or a stack slot, free again once the parent has used it.
        let mut place = vec![0u16; tree.nodes.len()];
        let (mut free, mut used) = (Vec::new(), 0u16);
        for &at in &order.children_first {
            match tree.nodes[at as usize] {
                Node::Leaf(value) => {
                    place[at as usize] = (self.leaves.len() - leaf) as u16;
                    self.leaves.push(value);
                }
                split @ Node::Split { left, right, .. } => {
                    let (column, cut) = self.comparison(&split, tree, slots, known)?;
                    let (left, right) = (place[left as usize], place[right as usize]);
                    free.extend([left, right].into_iter().filter(|place| place & Step::STACK != 0));
                    let to = free.pop().unwrap_or_else(|| {
                        used += 1;
                        Step::STACK | (used - 1)
                    });
                    place[at as usize] = to;
                    self.steps.push(Step { column, cut, left, right, to: to & !Step::STACK });
                }
            }
        }
        self.stack = self.stack.max(usize::from(used));
        Ok(Form::Steps { step: step as u32, count: (self.steps.len() - step) as u32, leaf: leaf as u32 })
    }

    /// The byte column and the cut of a split: a row goes left when the cut is greater than the column's byte.
    fn comparison(&mut self, split: &Node, tree: &Tree, slots: &Slots<'_>, known: &mut Known) -> Result<(u32, i8)> {
        let Node::Split { feature, test, missing_left, .. } = *split else { return Err(malformed()) };
        let slot = slots.of(feature);
        match test {
            Test::Less(threshold) => {
                let position = self.cuts[slot as usize].position(threshold);
                let (base, cut) = (position / STRETCH * STRETCH, position % STRETCH + 1);
                let at = *known.entry((slot, base, !missing_left)).or_insert_with(|| {
                    self.columns.push(Column { slot, missing_right: !missing_left, kind: Kind::Cuts { base } });
                    self.columns.len() - 1
                });
                // Bytes are compared signed.
                Ok((offset(at)?, (cut as u8 ^ 0x80) as i8))
            }
            Test::NotIn(set) => {
                let members = tree.sets.get(set as usize).ok_or_else(malformed)?;
                self.columns.push(Column { slot, missing_right: !missing_left, kind: Kind::Member(Set::new(members)) });
                Ok((offset(self.columns.len() - 1)?, 0))
            }
        }
    }
}

/// Byte columns that exist: by slot, first cut and side of missing values.
type Known = std::collections::HashMap<(u32, usize, bool), usize>;

fn offset(column: usize) -> Result<u32> {
    u32::try_from(column * BLOCK).map_err(|_| malformed())
}

/// The shape of a tree.
struct Order {
    children_first: Vec<u32>,
    depth: usize,
    leaves: usize,
}

impl Order {
    fn new(tree: &Tree) -> Result<Self> {
        let mut order = Self { children_first: Vec::new(), depth: 0, leaves: 0 };
        let mut open = vec![(0u32, 0usize)];
        while let Some((at, depth)) = open.pop() {
            if order.children_first.len() > tree.nodes.len() {
                return Err(malformed());
            }
            order.children_first.push(at);
            match *tree.nodes.get(at as usize).ok_or_else(malformed)? {
                Node::Leaf(_) => {
                    order.leaves += 1;
                    order.depth = order.depth.max(depth);
                }
                Node::Split { left, right, .. } => open.extend([(left, depth + 1), (right, depth + 1)]),
            }
        }
        order.children_first.reverse();
        Ok(order)
    }
}
