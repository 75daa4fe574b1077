//! XGBoost's model files: JSON and UBJSON of version 1.0 to 3.4, the binary format of version 1.0 to 3.0.

mod binary;
mod nodes;
mod read;
mod trees;

use super::{document, invalid, unread};
use crate::error::Result;

/// How many features a model may have.
pub const MAX_FEATURES: usize = 1 << 24;
/// How many numbers a model may give for one row.
pub const MAX_OUTPUTS: usize = 1 << 16;

/// A trained model.
#[derive(Debug, Clone)]
pub struct Model {
    /// Version of XGBoost that wrote the file.
    pub version: [i64; 3],
    /// The intercept before the objective's link, one number or one an output.
    pub base_score: Vec<f32>,
    /// How many features there are.
    pub num_feature: usize,
    /// Classes of a multi-class objective; 0 or 1 for all others.
    pub num_class: usize,
    /// Numbers given for one row before any reduction to a class.
    pub outputs: usize,
    /// The objective's name, `binary:logistic`.
    pub objective: String,
    /// What was trained.
    pub booster: Booster,
    /// Names of the features; empty when it was trained without.
    pub feature_names: Vec<String>,
    /// Free attributes such as `best_iteration`.
    pub attributes: Vec<(String, String)>,
}

/// The kinds of booster.
#[derive(Debug, Clone)]
pub enum Booster {
    /// `gbtree` and `dart`.
    Trees(Trees),
    /// `gblinear`: weight of feature `f` for output `o` at `f * outputs + o`, then one intercept an output.
    Linear(Vec<f32>),
}

/// An ensemble of trees.
#[derive(Debug, Clone)]
pub struct Trees {
    /// The trees in the order their leaves are summed.
    pub trees: Vec<Tree>,
    /// The output each tree adds to.
    pub groups: Vec<u32>,
    /// Trees of iteration `i`: `iterations[i]..iterations[i + 1]`.
    pub iterations: Vec<usize>,
    /// DART's weight of each tree; empty when all weigh one.
    pub weights: Vec<f32>,
    /// Numbers a leaf holds: one, or one an output (`multi_strategy="multi_output_tree"`).
    pub width: usize,
    /// Category names by feature, where the file knows them.
    pub categories: Vec<Categories>,
}

/// What the categories of a feature were called in the training data, in the order of their codes.
#[derive(Debug, Clone, PartialEq)]
pub enum Categories {
    /// Not a categorical feature, or codes without names.
    None,
    /// Text.
    Texts(Vec<String>),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Other numbers, which are read in no precision that tells them apart.
    Others,
}

/// One tree. Children lie inside it, no node is reached twice from the root, every feature exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The nodes; the first is the root.
    pub nodes: Vec<Node>,
    /// The categories of each categorical split, sorted.
    pub sets: Vec<Vec<u32>>,
    /// What the leaves add, by number of the leaf; [`Trees::width`] numbers each.
    pub leaves: Vec<f32>,
}

/// One node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// A leaf, by its number in [`Tree::leaves`].
    Leaf(u32),
    /// A split.
    Split {
        /// The feature that is compared.
        feature: u32,
        /// Where the row goes.
        test: Test,
        /// Whether a missing value goes left.
        missing_left: bool,
        /// The left child.
        left: u32,
        /// The right child.
        right: u32,
    },
}

/// What decides a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Test {
    /// Left when the value is less.
    Less(f32),
    /// Right when the category is in this set of [`Tree::sets`].
    NotIn(u32),
}

/// Reads a model of any of the formats.
pub fn read(bytes: &[u8]) -> Result<Model> {
    // The binary format's first bytes are a mark, or the intercept.
    match bytes.first() {
        Some(b'{' | b' ' | b'\t' | b'\r' | b'\n') => read::document(bytes),
        _ => binary::model(bytes),
    }
}

impl Model {
    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests;
