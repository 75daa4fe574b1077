//! `sklearn.tree`, and the forests of `sklearn.ensemble`.

use std::sync::Arc;

use super::{
    common::{frame, labels_in, width},
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, logarithm, validate},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    formats::npy::{Array, Data},
    kernels::{
        block::{Block, Kind},
        dense::argmax,
        forest::{Forest, Node, Test, single},
    },
};

/// Trees and what their leaves are worth: so many numbers a leaf, one after another.
#[derive(Default)]
pub(super) struct Trees {
    pub(super) forest: Forest,
    pub(super) values: Vec<f64>,
    /// Numbers of a leaf.
    pub(super) outputs: usize,
}

impl Trees {
    /// Adds the tree of a `tree_` attribute. `value` makes a leaf's numbers, given its node's.
    pub(super) fn push(&mut self, tree: View<'_>, columns: usize, value: impl Fn(usize, &[f64]) -> Vec<f64>) -> Made<()> {
        let (nodes, values) = (tree.get("nodes")?, tree.get("values")?.array()?);
        let array = nodes.array()?;
        let ints = |name: &str| array.field(name).and_then(|field| field.ints());
        let floats = |name: &str| array.field(name).and_then(|field| field.floats());
        let (Some(left), Some(right), Some(feature), Some(threshold), Some(numbers)) =
            (ints("left_child"), ints("right_child"), ints("feature"), floats("threshold"), values.floats())
        else {
            return nodes.wrong("the nodes of a tree");
        };
        // Before 1.3 no tree knew of missing values.
        let missing = ints("missing_go_to_left").unwrap_or_else(|| vec![0; left.len()]);
        let per_node = if left.is_empty() { 0 } else { numbers.len() / left.len() };
        if per_node == 0 || values.shape.first() != Some(&left.len()) {
            return python("a tree has no values for its nodes");
        }
        let mut made = Vec::with_capacity(left.len());
        for node in 0..left.len() {
            let child = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
            made.push(if left[node] == -1 {
                let leaf = value(node, &numbers[node * per_node..][..per_node]);
                if self.outputs == 0 {
                    self.outputs = leaf.len();
                }
                if leaf.len() != self.outputs {
                    return python("leaves of different lengths");
                }
                let number = u32::try_from(self.values.len() / self.outputs.max(1)).unwrap_or(u32::MAX);
                self.values.extend(leaf);
                Node::Leaf(number)
            } else {
                Node::Split {
                    column: child(feature[node]),
                    test: Test::AtMost(threshold[node]),
                    missing_left: missing[node] != 0,
                    left: child(left[node]),
                    right: child(right[node]),
                }
            });
        }
        Ok(self.forest.push(&made, columns)?)
    }

    /// Adds `scale` times the leaves' numbers of one tree to the columns of a block.
    pub(super) fn add(&self, tree: usize, input: &Block, scale: f64, leaves: &mut Vec<u32>, out: &mut Block, first: usize) {
        self.forest.leaves(tree, input, leaves);
        for output in 0..self.outputs {
            for (sum, &leaf) in out.column_mut(first + output).iter_mut().zip(leaves.iter()) {
                *sum += scale * self.values[leaf as usize * self.outputs + output];
            }
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.forest.memory() + self.values.len() * 8
    }
}

/// Whether missing values pass a tree of this class and version.
pub(super) fn allow(view: View<'_>, forest: bool) -> Allow {
    let version = view.version();
    let extra = view.name().starts_with("Extra");
    let since = match (extra, forest) {
        (true, _) => (1, 6),
        (_, true) => (1, 4),
        _ => (1, 3),
    };
    let criterion =
        matches!(view.word("criterion"), "gini" | "log_loss" | "entropy" | "squared_error" | "friedman_mse" | "poisson");
    let splits = matches!(view.word("splitter"), "" | "best") || (view.word("splitter") == "random" && version >= (1, 6));
    let monotonic = view.find("monotonic_cst").is_some();
    if version >= since && criterion && splits && !monotonic { Allow::Missing } else { Allow::Finite }
}

/// One tree, or the mean of many.
struct Model {
    name: String,
    frame: Frame,
    columns: usize,
    allow: Allow,
    trees: Trees,
    /// The classes of each output; none of a regressor.
    labels: Vec<Labels>,
    /// A regressor's outputs.
    targets: usize,
    /// The leaves hold counts, to be divided by their sum for each tree.
    many: bool,
}

/// The classes of a classifier of one or of several outputs.
fn classes(view: View<'_>) -> Made<Vec<Labels>> {
    let classes = view.get("classes_")?;
    match classes.array() {
        Ok(array) if !matches!(array.data, Data::Objects(_)) => Ok(vec![labels_in(classes)?]),
        Ok(Array { shape, .. }) if shape.len() == 1 && classes.texts().is_some() => Ok(vec![labels_in(classes)?]),
        _ => classes.items().into_iter().map(labels_in).collect(),
    }
}

fn model(view: View<'_>, trees: &[View<'_>], classifier: bool, many: bool) -> Made<Shared> {
    let labels = if classifier { classes(view)? } else { Vec::new() };
    let columns = width(view)?;
    let mut made = Trees::default();
    let sizes: Vec<usize> = labels.iter().map(Labels::len).collect();
    let widest = sizes.iter().copied().max().unwrap_or(1);
    for estimator in trees {
        // Every node's numbers are classes' by outputs', filled up to the most classes of any output.
        made.push(estimator.get("tree_")?, columns, |_, numbers| {
            if sizes.is_empty() {
                return numbers.to_vec();
            }
            let mut leaf = Vec::new();
            for (output, &size) in sizes.iter().enumerate() {
                let Some(counts) = numbers.get(output * widest..output * widest + size) else { continue };
                let sum: f64 = counts.iter().sum();
                // Since 1.3 they are fractions already, and 1.3 itself no longer divides.
                let divide = estimator.version() < (1, 3);
                leaf.extend(counts.iter().map(|count| if divide && sum != 0.0 { count / sum } else { *count }));
            }
            leaf
        })?;
    }
    let expected = if classifier { sizes.iter().sum() } else { made.outputs };
    if made.outputs != expected || made.outputs == 0 || made.forest.is_empty() {
        return python(format!("{}: its trees and classes do not fit together", view.name()));
    }
    Ok(Arc::new(Model {
        name: view.name().into(),
        frame: frame(view),
        columns,
        allow: allow(view, many),
        targets: made.outputs,
        trees: made,
        labels,
        many,
    }))
}

/// `DecisionTreeClassifier`, `ExtraTreeClassifier`
pub(super) fn classifier(view: View<'_>) -> Made<Shared> {
    model(view, &[view], true, false)
}

/// `DecisionTreeRegressor`, `ExtraTreeRegressor`
pub(super) fn regressor(view: View<'_>) -> Made<Shared> {
    model(view, &[view], false, false)
}

/// `RandomForestClassifier`, `ExtraTreesClassifier`
pub(super) fn forest_classifier(view: View<'_>) -> Made<Shared> {
    model(view, &view.get("estimators_")?.items(), true, true)
}

/// `RandomForestRegressor`, `ExtraTreesRegressor`
pub(super) fn forest_regressor(view: View<'_>) -> Made<Shared> {
    model(view, &view.get("estimators_")?.items(), false, true)
}

impl Model {
    fn sums(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut rounded = work.take();
        single(input, &mut rounded);
        let checked = validate(&self.name, &rounded, self.columns, self.allow);
        out.reset(input.rows(), self.targets, Kind::Double);
        (0..self.targets).for_each(|column| out.column_mut(column).fill(0.0));
        let mut leaves = std::mem::take(&mut work.leaves);
        if checked.is_ok() {
            for tree in 0..self.trees.forest.len() {
                self.trees.add(tree, &rounded, 1.0, &mut leaves, out, 0);
            }
            if self.many {
                let count = self.trees.forest.len() as f64;
                out.map(|sum| sum / count);
            }
        }
        work.leaves = leaves;
        work.give(rounded);
        checked
    }
}

impl Part for Model {
    fn has(&self, method: Method) -> bool {
        match method {
            Method::Predict => true,
            Method::Proba | Method::LogProba => self.labels.len() == 1,
            Method::Decision | Method::Transform => false,
        }
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        // Texts must not be rounded away before they are refused.
        validate(&self.name, input, self.columns, Allow::All)?;
        if self.labels.is_empty() {
            return self.sums(input, work, out);
        }
        match method {
            Method::Predict => {
                let (mut sums, mut part, mut best) = (work.take(), work.take(), work.take());
                let made = self.sums(input, work, &mut sums);
                out.reset(input.rows(), self.labels.len(), Kind::Class);
                let mut first = 0;
                for (output, labels) in self.labels.iter().enumerate() {
                    part.reset(input.rows(), labels.len(), Kind::Double);
                    (0..labels.len()).for_each(|class| part.copy_column(class, &sums, first + class));
                    first += labels.len();
                    argmax(&part, &mut best);
                    out.copy_column(output, &best, 0);
                }
                [sums, part, best].into_iter().for_each(|block| work.give(block));
                made
            }
            _ => {
                self.sums(input, work, out)?;
                if method == Method::LogProba {
                    logarithm(out);
                }
                Ok(())
            }
        }
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.trees.memory()
    }
}
