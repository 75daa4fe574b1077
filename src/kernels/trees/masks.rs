//! What vectors of bytes evaluate: every node of a small tree, or of a large one's first levels, is one comparison of bytes. From
//! there on large trees walk.

use super::{
    BLOCK, Leaves, Sum, Value,
    bins::{self, Builder, Width},
    deep, index,
    walk::{self, Levels, Root, Split},
};
use crate::error::Result;

/// Depth up to which a tree is filled up and kept in registers.
pub(super) const FULL_DEPTH: usize = 6;
/// Numbers that leaf tables tell apart.
const MOST_IN_TABLES: usize = 64;
/// Numbers that a byte tells apart.
const MOST_NUMBERS: usize = 256;
/// Columns of bytes up to which large trees have their first levels compared: more would push the trees out of the cache.
const MOST_COLUMNS: usize = 256;
/// The first slot that is no number.
const RESULTS: u16 = MOST_NUMBERS as u16;

/// What gives each row a number.
#[derive(Clone, Copy)]
pub(super) enum First {
    /// Nothing: all rows have number 0.
    Nothing,
    /// Filled up to `depth` levels; nodes level by level from `node` on.
    Full { depth: u8, node: u32 },
    /// Children before parents, from `step` on.
    Steps { step: u32, count: u32 },
}

/// What numbers stand for.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// They are looked up in tables from this one on; so many runs of 16 numbers.
    Tables { table: u32, runs: u8 },
    /// They are places in the list of leaves from here on.
    Leaves { start: u32 },
    /// They are places in the list of nodes from here on, so many levels above the leaves.
    Nodes { start: u32, levels: Levels },
}

/// Where a row goes at a node.
#[derive(Clone, Copy, Default)]
pub(super) struct Comparison {
    /// Where the column of bytes begins.
    pub(super) column: u32,
    /// A row goes left where this is greater than its byte. Four times, as words are the smallest that fill a vector without a shuffle.
    pub(super) cut: [i8; 4],
}

/// One step: compare, and choose between two slots.
///
/// A slot is a number, or from [`RESULTS`] on an earlier result.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) comparison: Comparison,
    pub(super) left: u16,
    pub(super) right: u16,
    pub(super) to: u16,
}

/// How a tree is evaluated.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Numbers(First, Then),
    Walk(Root),
}

/// All trees.
#[derive(Default)]
pub(super) struct Forest {
    pub(super) trees: Vec<Form>,
    /// Of full trees.
    pub(super) nodes: Vec<Comparison>,
    pub(super) steps: Vec<Step>,
    /// Slots of [`Step`]s, numbers included.
    pub(super) slots: usize,
    /// Leaves byte by byte, for each output, byte of the value and run of 16.
    pub(super) tables: Vec<[u8; 16]>,
    /// Leaves, and nodes of `deep`, that numbers stand for.
    pub(super) places: Vec<u32>,
    pub(super) deep: deep::Forest,
}

impl Forest {
    /// None where trees need more columns than nodes can name.
    pub(super) fn new<T: Value, S: Sum>(
        walk: &walk::Forest<T>,
        builder: &mut Builder<T>,
        leaves: &Leaves<S>,
    ) -> Result<Option<Self>> {
        let last = (0..walk.roots().len()).rfind(|&tree| walks(walk, tree));
        let nodes = last.map_or(0, |tree| walk.nodes(tree).end as usize);
        let mut forest = Self { deep: deep::Forest::with_capacity(nodes), ..Self::default() };
        let few_columns = builder.least_columns(Width::Byte) <= MOST_COLUMNS;
        for (tree, root) in walk.roots().iter().enumerate() {
            let form = if walks(walk, tree) {
                if !forest.deep.plant(walk, tree, builder)? {
                    return Ok(None);
                }
                // Whether a category is in a set would be asked twice, for a byte and for a word.
                match few_columns && !walk.has_sets(tree) {
                    true => forest.walk_below(walk, *root, builder)?,
                    false => Form::Walk(*root),
                }
            } else {
                let (first, nodes) = match root.levels.most as usize {
                    depth @ ..=FULL_DEPTH => forest.full(walk, root.node, depth, builder)?,
                    _ => forest.steps(walk, tree, builder)?,
                };
                Form::Numbers(first, forest.leaves(walk, &nodes, leaves)?)
            };
            forest.trees.push(form);
        }
        Ok(Some(forest))
    }

    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.trees)
            + size_of_val(&*self.nodes)
            + size_of_val(&*self.steps)
            + size_of_val(&*self.tables)
            + size_of_val(&*self.places)
            + self.deep.memory()
    }

    /// A tree that walks from the nodes below its first levels on.
    fn walk_below<T: Value>(&mut self, walk: &walk::Forest<T>, root: Root, builder: &mut Builder<T>) -> Result<Form> {
        let (first, below) = self.full(walk, root.node, FULL_DEPTH, builder)?;
        let start = index(self.places.len())?;
        self.places.extend(below);
        Ok(Form::Numbers(first, Then::Nodes { start, levels: root.levels.below(FULL_DEPTH as u32) }))
    }

    /// The first levels of a tree, filled up to so many; the nodes below them, in place of one below a leaf the leaf.
    fn full<T: Value>(
        &mut self,
        walk: &walk::Forest<T>,
        root: u32,
        depth: usize,
        builder: &mut Builder<T>,
    ) -> Result<(First, Vec<u32>)> {
        let first = index(self.nodes.len())?;
        let mut level = vec![root];
        for _ in 0..depth {
            let mut next = Vec::with_capacity(level.len() * 2);
            for node in level {
                match walk.split(node) {
                    // Both children are the leaf itself: whichever side is taken is right.
                    None => {
                        self.nodes.push(Comparison::default());
                        next.extend([node, node]);
                    }
                    Some(split) => {
                        self.nodes.push(comparison(node, &split, builder)?);
                        next.extend([split.left, split.left + 1]);
                    }
                }
            }
            level = next;
        }
        Ok((if depth == 0 { First::Nothing } else { First::Full { depth: depth as u8, node: first } }, level))
    }

    /// A whole tree, node by node; its leaves.
    fn steps<T: Value>(&mut self, walk: &walk::Forest<T>, tree: usize, builder: &mut Builder<T>) -> Result<(First, Vec<u32>)> {
        let (step, nodes) = (self.steps.len(), walk.nodes(tree));
        // The slot of each node's result, free again once the parent has used it.
        let mut place = vec![0u16; nodes.len()];
        let (mut free, mut used, mut leaves) = (Vec::new(), RESULTS, Vec::new());
        let at = |node: u32| (node - nodes.start) as usize;
        for node in children_first(walk, nodes.start) {
            match walk.split(node) {
                None => {
                    place[at(node)] = leaves.len() as u16;
                    leaves.push(node);
                }
                Some(split) => {
                    let comparison = comparison(node, &split, builder)?;
                    let (left, right) = (place[at(split.left)], place[at(split.left + 1)]);
                    free.extend([left, right].into_iter().filter(|&place| place >= RESULTS));
                    let to = free.pop().unwrap_or_else(|| {
                        used += 1;
                        used - 1
                    });
                    place[at(node)] = to;
                    self.steps.push(Step { comparison, left, right, to });
                }
            }
        }
        self.slots = self.slots.max(usize::from(used));
        Ok((First::Steps { step: index(step)?, count: index(self.steps.len() - step)? }, leaves))
    }

    /// What the numbers of some leaves stand for.
    fn leaves<T: Value, S: Sum>(&mut self, walk: &walk::Forest<T>, nodes: &[u32], leaves: &Leaves<S>) -> Result<Then> {
        let numbers: Vec<u32> = nodes.iter().map(|&node| walk.leaf(node)).collect();
        if numbers.len() > MOST_IN_TABLES {
            let start = index(self.places.len())?;
            self.places.extend(numbers);
            return Ok(Then::Leaves { start });
        }
        let table = index(self.tables.len())?;
        let runs = numbers.len().div_ceil(16).next_power_of_two();
        for output in 0..leaves.width {
            for plane in 0..S::PLANES {
                for run in 0..runs {
                    let run = numbers.chunks(16).nth(run).unwrap_or_default();
                    let mut bytes = [0; 16];
                    bytes
                        .iter_mut()
                        .zip(run)
                        .for_each(|(byte, &leaf)| *byte = leaves.values[leaf as usize * leaves.width + output].plane(plane));
                    self.tables.push(bytes);
                }
            }
        }
        Ok(Then::Tables { table, runs: runs as u8 })
    }
}

/// Whether walking down a tree takes less than comparing all of its nodes.
fn walks<T: Value>(walk: &walk::Forest<T>, tree: usize) -> bool {
    let depth = walk.roots()[tree].levels.most as usize;
    // One node more are leaves than are splits.
    let leaves = walk.nodes(tree).len().div_ceil(2);
    depth > FULL_DEPTH && (leaves > MOST_NUMBERS || leaves > 32 + 32 * (depth - FULL_DEPTH))
}

/// All nodes of a tree, each after its children.
fn children_first<T: Value>(walk: &walk::Forest<T>, root: u32) -> Vec<u32> {
    let (mut order, mut open) = (Vec::new(), vec![root]);
    while let Some(node) = open.pop() {
        order.push(node);
        if let Some(Split { left, .. }) = walk.split(node) {
            open.extend([left, left + 1]);
        }
    }
    order.reverse();
    order
}

fn comparison<T: Value>(node: u32, split: &Split<'_, T>, builder: &mut Builder<T>) -> Result<Comparison> {
    let bins::Comparison { column, bin } = builder.comparison(node, split, Width::Byte)?;
    // Flipped as the bytes are.
    let cut = ((bin as u8 + 1) ^ 0x80) as i8;
    Ok(Comparison { column: index(column * BLOCK)?, cut: [cut; 4] })
}
