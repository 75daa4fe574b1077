//! A model's trees in the kernel's form, with leaves that add up to what the XGBoost that wrote the model answers: in another
//! version, the same leaves are rounded in another order.

use crate::{
    flavors::common::obstacle::NeedsPython,
    formats::xgboost::{self as format, Trees},
    kernels::trees::{Missing, Node, Test, Tree},
};

/// How the leaves of a row are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    /// Each is added to what there is, which begins with the intercept.
    Onto,
    /// They are added up alone, and that to the intercept: XGBoost before 1.3, of DART before 1.4.
    Apart,
}

/// How DART's weight is multiplied in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weighing {
    /// Into the leaf.
    Leaf,
    /// Into what is left of intercept and leaf when the intercept is taken away again: estimators of XGBoost 1.4 to 3.2, which
    /// predict without a `DMatrix`.
    Difference,
}

/// Where a category goes that no bit of a split's set stands for, and what is no category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beyond {
    /// To the left, with all that is not in the set.
    Left,
    /// Where missing values go: XGBoost 1.6.
    Missing,
}

/// Categories outside of sets that a model may have, all its splits together.
const MOST: usize = 1 << 24;

/// What a version makes of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ways {
    pub(super) sums: Sums,
    weighing: Weighing,
    beyond: Beyond,
}

impl Ways {
    /// The ways of a version; `inplace` estimators predict without a `DMatrix`.
    pub(super) fn new(trees: &Trees, version: [i64; 3], inplace: bool) -> Self {
        let dart = !trees.weights.is_empty();
        let apart = version < [1, 3, 0] || (dart && version < [1, 4, 0]);
        let difference = inplace && ([1, 4, 0]..[3, 3, 0]).contains(&version);
        Self {
            sums: if apart { Sums::Apart } else { Sums::Onto },
            weighing: if difference { Weighing::Difference } else { Weighing::Leaf },
            beyond: if ([1, 6, 0]..[1, 7, 0]).contains(&version) { Beyond::Missing } else { Beyond::Left },
        }
    }

    /// The trees in the kernel's form. `base` is the intercept of each output, as a margin.
    pub(super) fn trees(self, trees: &Trees, base: &[f32]) -> Result<Vec<Tree<f32>>, NeedsPython> {
        let mut left = MOST;
        let one = |(index, tree): (usize, &format::Tree)| {
            let output = trees.groups[index];
            let weigh = |(at, &value): (usize, &f32)| {
                let base = base[output as usize + at % trees.width];
                match (trees.weights.get(index), self.weighing) {
                    (None, _) => value,
                    (Some(weight), Weighing::Leaf) => value * weight,
                    (Some(weight), Weighing::Difference) => ((base + value) - base) * weight,
                }
            };
            let values = tree.leaves.iter().enumerate().map(weigh).collect();
            let mut sets = tree.sets.clone();
            if self.beyond == Beyond::Missing {
                for members in &tree.sets {
                    sets.push(others(members, &mut left)?);
                }
            }
            let nodes = tree.nodes.iter().map(|node| self.node(node, tree.sets.len())).collect();
            Ok(Tree { nodes, sets, values, output })
        };
        trees.trees.iter().enumerate().map(one).collect()
    }

    /// A node; `others` is where the sets of other categories begin.
    fn node(self, node: &format::Node, others: usize) -> Node {
        match *node {
            format::Node::Leaf(number) => Node::Leaf(number),
            format::Node::Split { feature, test, missing_left, left, right } => {
                let test = match test {
                    format::Test::Less(threshold) => Test::Less(threshold.into()),
                    // Only the others go left, so all that is beyond goes right.
                    format::Test::NotIn(set) if self.beyond == Beyond::Missing && !missing_left => Test::In(set + others as u32),
                    format::Test::NotIn(set) => Test::NotIn(set),
                };
                Node::Split { feature, test, missing: Missing::Nan, missing_left, left, right }
            }
        }
    }
}

/// The categories that XGBoost keeps a bit for, 32 in a word up to the greatest, and that are not in a set.
fn others(members: &[u32], left: &mut usize) -> Result<Vec<u32>, NeedsPython> {
    let bits = members.last().map_or(0, |&last| (last / 32 + 1) * 32);
    *left = left.checked_sub(bits as usize).ok_or_else(|| format!("its splits leave out more than {MOST} categories"))?;
    Ok((0..bits).filter(|category| members.binary_search(category).is_err()).collect())
}
