//! LightGBM's model files: text of format v2 to v4, as LightGBM 2.1 to 4.x write it.
//!
//! A header of `key=value` lines, then a `Tree=` block a tree, `end of trees`, the training's parameters, and in files of the
//! Python package a last line `pandas_categorical:` with JSON. Numbers that decide an answer are written with 17 digits and read
//! correctly rounded, as LightGBM reads them.

mod read;
mod tree;

use super::{document, invalid, json, unread};
use crate::error::Result;

/// How many numbers a model may give for one row.
pub const MAX_OUTPUTS: usize = 1 << 16;

/// A trained model.
#[derive(Debug, Clone)]
pub struct Model {
    /// How many features there are.
    pub num_feature: usize,
    /// Numbers given for one row, which is also how many trees an iteration has.
    pub outputs: usize,
    /// The objective with its parameters, `binary sigmoid:1`; `None` for one of the caller's own.
    pub objective: Option<String>,
    /// Whether the trees' sum is divided by the number of iterations, as in random forests.
    pub average_output: bool,
    /// The trees: those of the first iteration, one an output, then those of the second.
    pub trees: Vec<Tree>,
    /// What the categories of pandas columns were called.
    pub categories: Categories,
}

/// The categories of each pandas column of type `category` in the training data, in the order of those columns. A category's
/// place in its list is the number the trees know it by.
#[derive(Debug, Clone, PartialEq)]
pub enum Categories {
    /// There was no such column.
    None,
    /// All of them are text.
    Texts(Vec<Vec<String>>),
    /// Some are numbers or truth values.
    Other,
}

/// One tree. Children lie inside it, none is reached twice from the first split, every feature and set exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The splits; the first is the root. A tree of one leaf has none.
    pub splits: Vec<Split>,
    /// What each leaf adds.
    pub leaves: Vec<f64>,
    /// Sets of categories, a bit each, in words of 32.
    pub sets: Vec<Vec<u32>>,
    /// The linear model of each leaf; empty unless the tree was trained with `linear_tree`.
    pub linear: Vec<Linear>,
}

/// One split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The feature that is compared.
    pub feature: u32,
    /// What sends a row left.
    pub test: Test,
    /// Which values are missing, for a [`Test::AtMost`].
    pub missing: Missing,
    /// Whether missing values go left.
    pub missing_left: bool,
    /// Where rows go that pass.
    pub left: Child,
    /// Where all others go.
    pub right: Child,
}

/// What sends a row left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Test {
    /// The value is at most this, which may be NaN.
    AtMost(f64),
    /// The value's whole part is in this set of [`Tree::sets`].
    In(u32),
}

/// Which values are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// None is; NaN counts as zero.
    None,
    /// Zero, and NaN.
    Zero,
    /// NaN.
    Nan,
}

/// Where a split leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// To another split.
    Split(u32),
    /// To a leaf.
    Leaf(u32),
}

/// A leaf's linear model, for rows where none of its features is missing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Linear {
    /// What is added to.
    pub constant: f64,
    /// Features and their coefficients, in the order they are added.
    pub terms: Vec<(u32, f64)>,
}

/// Reads a model.
pub fn read(bytes: &[u8]) -> Result<Model> {
    let text = std::str::from_utf8(bytes).map_err(|error| invalid(format!("byte {}: no UTF-8", error.valid_up_to())))?;
    read::model(text)
}

#[cfg(test)]
mod tests;
