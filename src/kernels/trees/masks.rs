//! What vectors of bytes evaluate: every node of a small tree, or of a large one's first levels, is one comparison of bytes. From
//! there on large trees walk.

use super::{
    BLOCK, Leaves, Node, Placed, Shape, Sum, Value,
    bins::{self, Builder, Width},
    deep::{self, Root},
    index, malformed,
    shape::children_first,
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
    /// They are places in the list of nodes from here on, below which there are at most so many levels.
    Nodes { start: u32, depth: u32 },
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
        trees: &[Placed<'_, S>],
        shapes: &[Shape],
        builder: &mut Builder<'_, T>,
        leaves: &Leaves<S>,
    ) -> Result<Option<Self>> {
        let mut forest = Self::default();
        let few_columns = builder.least_columns(Width::Byte) <= MOST_COLUMNS;
        for (placed, shape) in trees.iter().zip(shapes) {
            let form = if shape.depth > FULL_DEPTH && !stepped(shape) {
                let Some(root) = forest.deep.plant(placed, builder)? else { return Ok(None) };
                // Whether a category is in a set would be asked twice, for a byte and for a word.
                match few_columns && placed.tree.sets.is_empty() {
                    true => forest.walk_below(placed, root, builder)?,
                    false => Form::Walk(root),
                }
            } else {
                let (first, nodes) = match shape.depth <= FULL_DEPTH {
                    true => forest.full(placed, shape.depth, builder)?,
                    false => forest.steps(placed, shape, builder)?,
                };
                Form::Numbers(first, forest.leaves(placed, &nodes, leaves)?)
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

    /// A planted tree that walks from the nodes below its first levels on.
    fn walk_below<T: Value, S>(&mut self, placed: &Placed<'_, S>, root: Root, builder: &mut Builder<'_, T>) -> Result<Form> {
        let (first, _) = self.full(placed, FULL_DEPTH, builder)?;
        let start = index(self.places.len())?;
        self.places.extend(self.deep.level(root, FULL_DEPTH));
        Ok(Form::Numbers(first, Then::Nodes { start, depth: root.depth - FULL_DEPTH as u32 }))
    }

    /// The first levels of a tree, filled up to so many; the nodes below them.
    fn full<T: Value, S>(
        &mut self,
        placed: &Placed<'_, S>,
        depth: usize,
        builder: &mut Builder<'_, T>,
    ) -> Result<(First, Vec<u32>)> {
        let node = index(self.nodes.len())?;
        let mut level = vec![0u32];
        for _ in 0..depth {
            let mut next = Vec::with_capacity(level.len() * 2);
            for at in level {
                match placed.tree.nodes[at as usize] {
                    // Both children are the leaf itself: whichever side is taken is right.
                    Node::Leaf(_) => {
                        self.nodes.push(Comparison::default());
                        next.extend([at, at]);
                    }
                    Node::Split { left, right, .. } => {
                        self.nodes.push(comparison(placed, at, builder)?);
                        next.extend([left, right]);
                    }
                }
            }
            level = next;
        }
        Ok((if depth == 0 { First::Nothing } else { First::Full { depth: depth as u8, node } }, level))
    }

    /// A whole tree, node by node; its leaves.
    fn steps<T: Value, S>(
        &mut self,
        placed: &Placed<'_, S>,
        shape: &Shape,
        builder: &mut Builder<'_, T>,
    ) -> Result<(First, Vec<u32>)> {
        let step = self.steps.len();
        // The slot of each node's result, free again once the parent has used it.
        let mut place = vec![0u16; placed.tree.nodes.len()];
        let (mut free, mut used, mut leaves) = (Vec::new(), RESULTS, Vec::with_capacity(shape.leaves));
        for at in children_first(placed.tree) {
            match placed.tree.nodes[at as usize] {
                Node::Leaf(_) => {
                    place[at as usize] = leaves.len() as u16;
                    leaves.push(at);
                }
                Node::Split { left, right, .. } => {
                    let comparison = comparison(placed, at, builder)?;
                    let (left, right) = (place[left as usize], place[right as usize]);
                    free.extend([left, right].into_iter().filter(|&place| place >= RESULTS));
                    let to = free.pop().unwrap_or_else(|| {
                        used += 1;
                        used - 1
                    });
                    place[at as usize] = to;
                    self.steps.push(Step { comparison, left, right, to });
                }
            }
        }
        self.slots = self.slots.max(usize::from(used));
        Ok((First::Steps { step: index(step)?, count: index(self.steps.len() - step)? }, leaves))
    }

    /// What the numbers of some leaves stand for.
    fn leaves<S: Sum>(&mut self, placed: &Placed<'_, S>, nodes: &[u32], leaves: &Leaves<S>) -> Result<Then> {
        let leaf = |&at: &u32| match placed.tree.nodes[at as usize] {
            Node::Leaf(number) => Ok((placed.first_leaf + number) as usize),
            Node::Split { .. } => Err(malformed()),
        };
        let numbers = nodes.iter().map(leaf).collect::<Result<Vec<_>>>()?;
        if numbers.len() > MOST_IN_TABLES {
            let start = index(self.places.len())?;
            self.places.extend(numbers.into_iter().map(|number| number as u32));
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
                        .for_each(|(byte, leaf)| *byte = leaves.values[leaf * leaves.width + output].plane(plane));
                    self.tables.push(bytes);
                }
            }
        }
        Ok(Then::Tables { table, runs: runs as u8 })
    }
}

/// Whether comparing all nodes of a tree takes less than walking down it.
fn stepped(shape: &Shape) -> bool {
    shape.leaves <= MOST_NUMBERS && shape.leaves <= 32 + 32 * (shape.depth - FULL_DEPTH)
}

fn comparison<T: Value, S>(placed: &Placed<'_, S>, node: u32, builder: &mut Builder<'_, T>) -> Result<Comparison> {
    let bins::Comparison { column, bin } = builder.comparison(placed, node, Width::Byte)?;
    // Flipped as the bytes are.
    let cut = ((bin as u8 + 1) ^ 0x80) as i8;
    Ok(Comparison { column: index(column * BLOCK)?, cut: [cut; 4] })
}
