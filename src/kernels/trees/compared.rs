//! Trees for vectors of bytes: every node of a small tree, or of the first levels of a large one, is one comparison of 64 rows.
//! The rest of a large tree is walked.

use super::{
    BLOCK, Leaves, Sum, Value, binned,
    bins::{self, Builder, Width},
    index,
    walk::{self, Levels, Root, Split},
};
use crate::error::Result;

/// The largest depth of a tree whose missing nodes are filled in, so that its results stay in registers.
pub(super) const FULL_DEPTH: usize = 6;
/// How many leaves a table in registers can hold.
const MOST_IN_TABLES: usize = 64;
/// How many leaves a byte can number.
const MOST_NUMBERS: usize = 256;
/// Large trees have their first levels compared only if the bins of bytes have no more columns than this: more would push the
/// trees out of the cache.
const MOST_COLUMNS: usize = 256;
/// The number of the first slot that holds a result; the slots before hold the numbers of leaves.
const RESULTS: u16 = MOST_NUMBERS as u16;

/// How each row gets a number by comparing bytes.
#[derive(Clone, Copy)]
pub(super) enum Numbering {
    /// Not at all, as the tree is a leaf: all rows have number 0.
    Nothing,
    /// By all nodes of a full tree of `depth` levels, which lie level by level from `node` on.
    Full { depth: u8, node: u32 },
    /// By `count` steps from `step` on, in which children come before their parents.
    Steps { step: u32, count: u32 },
}

/// What the numbers of the rows stand for.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// Leaves, whose values are looked up in `runs` tables of 16 for each byte of a value, from table `table` on.
    Tables { table: u32, runs: u8 },
    /// Leaves, listed in [`ComparedForest::places`] from `start` on.
    Leaves { start: u32 },
    /// Nodes from which the tree is walked, listed in [`ComparedForest::places`] from `start` on, with the depth of the leaves
    /// below them.
    Nodes { start: u32, levels: Levels },
}

/// A node: which way a row goes.
#[derive(Clone, Copy, Default)]
pub(super) struct ByteComparison {
    /// Where the column of bytes begins.
    pub(super) column: u32,
    /// A row goes left where this is greater than its byte. It is repeated four times, since 32 bits are the least that one
    /// instruction without a shuffle broadcasts to a vector.
    pub(super) cut: [i8; 4],
}

/// One step: compare, and take one of two slots into a third. A slot holds the number of a leaf, or from [`RESULTS`] on the
/// result of an earlier step.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) comparison: ByteComparison,
    pub(super) left: u16,
    pub(super) right: u16,
    pub(super) to: u16,
}

/// How a tree is evaluated.
#[derive(Clone, Copy)]
pub(super) enum TreeForm {
    Numbers(Numbering, Meaning),
    Walk(Root),
}

/// All trees, each in the form that suits it.
#[derive(Default)]
pub(super) struct ComparedForest {
    pub(super) trees: Vec<TreeForm>,
    /// The nodes of full trees.
    pub(super) nodes: Vec<ByteComparison>,
    pub(super) steps: Vec<Step>,
    /// How many slots the [`Step`]s need, those with the numbers of leaves included.
    pub(super) slots: usize,
    /// The values of leaves byte by byte: for each tree, output, byte of the value and run of 16 leaves one table.
    pub(super) tables: Vec<[u8; 16]>,
    /// The leaves, or nodes of `deep`, that numbers stand for.
    pub(super) places: Vec<u32>,
    /// The trees that are walked, at least below their first levels.
    pub(super) deep: binned::BinnedForest,
}

impl ComparedForest {
    /// `None` where trees need more columns than a node can name.
    pub(super) fn new<T: Value, S: Sum>(
        walk: &walk::NodeForest<T>,
        builder: &mut Builder<T>,
        leaves: &Leaves<S>,
    ) -> Result<Option<Self>> {
        let last = (0..walk.roots().len()).rfind(|&tree| walks(walk, tree));
        let nodes = last.map_or(0, |tree| walk.nodes(tree).end as usize);
        let mut forest = Self { deep: binned::BinnedForest::with_capacity(nodes), ..Self::default() };
        let few_columns = builder.least_columns(Width::Byte) <= MOST_COLUMNS;
        for (tree, root) in walk.roots().iter().enumerate() {
            let form = if walks(walk, tree) {
                if !forest.deep.push(walk, tree, builder)? {
                    return Ok(None);
                }
                // Otherwise a set of categories would be searched twice for each value, for a column of bytes and for one of words.
                match few_columns && !walk.has_sets(tree) {
                    true => forest.walk_below(walk, *root, builder)?,
                    false => TreeForm::Walk(*root),
                }
            } else {
                let (first, nodes) = match root.levels.most as usize {
                    depth @ ..=FULL_DEPTH => forest.full(walk, root.node, depth, builder)?,
                    _ => forest.steps(walk, tree, builder)?,
                };
                TreeForm::Numbers(first, forest.leaves(walk, &nodes, leaves)?)
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

    /// A tree whose first levels are compared and which is walked from there on.
    fn walk_below<T: Value>(&mut self, walk: &walk::NodeForest<T>, root: Root, builder: &mut Builder<T>) -> Result<TreeForm> {
        let (first, below) = self.full(walk, root.node, FULL_DEPTH, builder)?;
        let start = index(self.places.len())?;
        self.places.extend(below);
        Ok(TreeForm::Numbers(first, Meaning::Nodes { start, levels: root.levels.below(FULL_DEPTH as u32) }))
    }

    /// The first `depth` levels of a tree, filled up where leaves lie above, and the nodes below them: where a leaf lies above,
    /// that leaf.
    fn full<T: Value>(
        &mut self,
        walk: &walk::NodeForest<T>,
        root: u32,
        depth: usize,
        builder: &mut Builder<T>,
    ) -> Result<(Numbering, Vec<u32>)> {
        let first = index(self.nodes.len())?;
        let mut level = vec![root];
        for _ in 0..depth {
            let mut next = Vec::with_capacity(level.len() * 2);
            for node in level {
                match walk.split(node) {
                    // Both children of the node that fills its place are the leaf, so any comparison will do.
                    None => {
                        self.nodes.push(ByteComparison::default());
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
        Ok((if depth == 0 { Numbering::Nothing } else { Numbering::Full { depth: depth as u8, node: first } }, level))
    }

    /// A whole tree in steps, and its leaves.
    fn steps<T: Value>(
        &mut self,
        walk: &walk::NodeForest<T>,
        tree: usize,
        builder: &mut Builder<T>,
    ) -> Result<(Numbering, Vec<u32>)> {
        let (step, nodes) = (self.steps.len(), walk.nodes(tree));
        // The slot of each node's result, which is free again once the parent has used it.
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
        Ok((Numbering::Steps { step: index(step)?, count: index(self.steps.len() - step)? }, leaves))
    }

    /// What the numbers of these leaves stand for.
    fn leaves<T: Value, S: Sum>(&mut self, walk: &walk::NodeForest<T>, nodes: &[u32], leaves: &Leaves<S>) -> Result<Meaning> {
        let numbers: Vec<u32> = nodes.iter().map(|&node| walk.leaf(node)).collect();
        if numbers.len() > MOST_IN_TABLES {
            let start = index(self.places.len())?;
            self.places.extend(numbers);
            return Ok(Meaning::Leaves { start });
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
        Ok(Meaning::Tables { table, runs: runs as u8 })
    }
}

/// Whether walking down a tree takes less time than comparing all of its nodes.
fn walks<T: Value>(walk: &walk::NodeForest<T>, tree: usize) -> bool {
    let depth = walk.roots()[tree].levels.most as usize;
    // A binary tree has one more leaf than it has splits.
    let leaves = walk.nodes(tree).len().div_ceil(2);
    depth > FULL_DEPTH && (leaves > MOST_NUMBERS || leaves > 32 + 32 * (depth - FULL_DEPTH))
}

/// All nodes of a tree, each after its children.
fn children_first<T: Value>(walk: &walk::NodeForest<T>, root: u32) -> Vec<u32> {
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

fn comparison<T: Value>(node: u32, split: &Split<'_, T>, builder: &mut Builder<T>) -> Result<ByteComparison> {
    let bins::Comparison { column, bin } = builder.comparison(node, split, Width::Byte)?;
    // With the highest bit flipped, as in the bytes, which are compared as signed numbers.
    let cut = ((bin as u8 + 1) ^ 0x80) as i8;
    Ok(ByteComparison { column: index(column * BLOCK)?, cut: [cut; 4] })
}
