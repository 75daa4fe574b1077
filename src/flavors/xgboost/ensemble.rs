//! The trees of a model in the form of the kernels. Versions of XGBoost round the sum of the same leaves in different ways; here
//! the leaves are summed as in the version that wrote the model.

use crate::{
    flavors::common::obstacle::NeedsPython,
    formats::xgboost::{self as format, Trees},
    kernels::trees::{Missing, Node, Test, Tree},
};

/// How the leaves of a row are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    /// The sum begins with the intercept, to which each leaf is added.
    Onto,
    /// The leaves are summed alone and the intercept is added last: XGBoost before 1.3, and DART before 1.4.
    Apart,
}

/// What the weight of a DART tree is multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weighing {
    /// The leaf.
    Leaf,
    /// The rounded sum of intercept and leaf, minus the intercept: estimators of XGBoost 1.4 to 3.2, which predict without a
    /// `DMatrix`.
    Difference,
}

/// Where a value goes that the bit set of a split has no bit for: a greater category, or a number that is no category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beyond {
    /// To the left, with all other values that are not in the set.
    Left,
    /// Where missing values go: XGBoost 1.6.
    Missing,
}

/// How many categories may be listed that are not in a set, in all splits of a model together.
const MOST: usize = 1 << 24;

/// How a version of XGBoost scores a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VersionRules {
    pub(super) sums: Sums,
    weighing: Weighing,
    beyond: Beyond,
}

impl VersionRules {
    /// The rules of a version; `inplace` says that predictions are made without a `DMatrix`.
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

    /// The trees in the form of the kernels. `base` is the intercept of each output, as a margin.
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

    /// A node. `others` is the number of the first set that lists the categories outside of a split's own set.
    fn node(self, node: &format::Node, others: usize) -> Node {
        match *node {
            format::Node::Leaf(number) => Node::Leaf(number),
            format::Node::Split { feature, test, missing_left, left, right } => {
                let test = match test {
                    format::Test::Less(threshold) => Test::Less(threshold.into()),
                    // Only the listed categories go left, so all values without a bit go right.
                    format::Test::NotIn(set) if self.beyond == Beyond::Missing && !missing_left => Test::In(set + others as u32),
                    format::Test::NotIn(set) => Test::NotIn(set),
                };
                Node::Split { feature, test, missing: Missing::Nan, missing_left, left, right }
            }
        }
    }
}

/// The categories that are not in a set but have a bit in XGBoost, which keeps whole words of 32 bits up to the greatest member.
fn others(members: &[u32], left: &mut usize) -> Result<Vec<u32>, NeedsPython> {
    let bits = members.last().map_or(0, |&last| (last / 32 + 1) * 32);
    *left = left.checked_sub(bits as usize).ok_or_else(|| format!("its splits leave out more than {MOST} categories"))?;
    Ok((0..bits).filter(|category| members.binary_search(category).is_err()).collect())
}
