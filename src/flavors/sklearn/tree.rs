//! `sklearn.tree`

use std::{ops::Range, sync::Arc};

use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Estimator, Frame, Labels, Made, Method, Part, View, Work, frame, logarithm, python, validate, validate_single,
        width,
    },
    formats::npy::{Array, Data},
    kernels::{
        Path as KernelPath,
        block::{Block, Kind},
        dense::argmax,
        sum,
        trees::{Builder, Ensemble, Missing, Node, Scratch, Test, Tree, Value},
    },
};

/// Trees as they are read, which compare values of `T`.
pub struct Trees<T: Value> {
    /// How many numbers a leaf has; 0 until the first leaf is read.
    pub width: usize,
    /// How many trees, and nodes in all of them, are expected.
    pub trees: usize,
    pub nodes: usize,
    pub builder: Option<Builder<T, f64>>,
    /// The tree being read. Its memory is reused for the next one.
    pub tree: Tree<f64>,
}

impl<T: Value> Trees<T> {
    /// No trees yet. Their leaves have `width` numbers, or with 0 as many as the first one.
    pub fn new(width: usize) -> Self {
        Self { width, trees: 0, nodes: 0, builder: None, tree: Tree::default() }
    }

    /// No trees yet, with memory reserved for those of these estimators.
    fn of(estimators: &[View<'_>]) -> Self {
        let nodes = |view: &View<'_>| view.find("tree_")?.find("nodes")?.array().ok().map(Array::count);
        Self { trees: estimators.len(), nodes: estimators.iter().filter_map(nodes).sum(), ..Self::new(0) }
    }

    /// Adds a tree.
    pub fn add(&mut self, tree: &Tree<f64>) -> Result<()> {
        let builder = match &mut self.builder {
            Some(builder) => builder,
            none => none.insert(Builder::new(self.width, self.trees, self.nodes)?),
        };
        builder.push(tree)
    }

    /// Adds the tree of a `tree_` attribute. `value` is given the number and the values of a node and appends the leaf's numbers
    /// to a list.
    pub fn push(&mut self, tree: View<'_>, output: usize, value: impl Fn(usize, &[f64], &mut Vec<f64>)) -> Made<()> {
        let (nodes, numbers) = (tree.get("nodes")?, tree.get("values")?.array()?);
        let array = nodes.array()?;
        let count = array.count();
        let (Some(left), Some(right), Some(feature), Some(threshold), Some(all)) = (
            array.int_column("left_child"),
            array.int_column("right_child"),
            array.int_column("feature"),
            array.float_column("threshold"),
            numbers.doubles(),
        ) else {
            return nodes.wrong("the nodes of a tree");
        };
        // Before 1.3 trees did not take missing values.
        let missing = array.flag_column("missing_go_to_left");
        let per_node = all.len().checked_div(count).unwrap_or(0);
        if per_node == 0 || numbers.shape.first() != Some(&count) {
            return python("a tree has no values for its nodes");
        }
        let Tree { nodes: mut made, mut values, .. } = std::mem::take(&mut self.tree);
        made.clear();
        made.reserve(count);
        values.clear();
        let mut leaves = 0;
        for node in 0..count {
            let left = i64::from_le_bytes(left.get(node));
            if left == -1 {
                let first = values.len();
                value(node, &all[node * per_node..][..per_node], &mut values);
                let width = values.len() - first;
                if self.width == 0 {
                    self.width = width;
                }
                if width != self.width || width == 0 {
                    return python("leaves of different lengths");
                }
                made.push(Node::Leaf(leaves));
                leaves += 1;
                continue;
            }
            made.push(Node::Split {
                feature: number(i64::from_le_bytes(feature.get(node))),
                test: Test::AtMost(f64::from_le_bytes(threshold.get(node))),
                missing: Missing::Nan,
                missing_left: missing.as_ref().is_some_and(|missing| missing.get(node) != [0]),
                left: number(left),
                right: number(i64::from_le_bytes(right.get(node))),
            });
        }
        let tree = Tree { nodes: made, sets: Vec::new(), values, output: number(output) };
        self.add(&tree)?;
        self.tree = tree;
        Ok(())
    }

    /// The trees, ready to score rows of `columns` columns.
    pub fn ensemble(self, columns: usize) -> Made<Ensemble<T, f64>> {
        let builder = self.builder.map_or_else(|| Builder::new(self.width, 0, 0), Ok)?;
        let ensemble = builder.finish(KernelPath::choose()?)?;
        match ensemble.features().last() {
            Some(&last) if last as usize >= columns => python("a tree looks at a column that is not there"),
            _ => Ok(ensemble),
        }
    }
}

/// The number as one of 32 bits; a number that does not fit becomes the greatest, which is not that of any node.
pub fn number(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

/// Adds the leaves of all trees to the columns of a block.
pub fn add<T: Value>(ensemble: &Ensemble<T, f64>, input: &Block, scratch: &mut Scratch<f64>, out: &mut Block) {
    let features = ensemble.features();
    let read = |at: usize, rows: Range<usize>, to: &mut [T]| T::copy(&input.column(features[at] as usize)[rows], to);
    let stride = out.stride();
    ensemble.add(0..ensemble.count(), &read, input.rows(), scratch, (out.runs_mut(), stride));
}

/// Whether a tree of this class and version accepts missing values.
pub fn allow(view: View<'_>, forest: bool) -> Allow {
    let version = view.version();
    let extra = view.name().starts_with("Extra");
    let since = match (extra, forest) {
        (true, _) => (1, 6),
        (_, true) => (1, 4),
        _ => (1, 3),
    };
    // Since 1.9 trees with any criterion, and with monotonic constraints, accept them.
    let any = version >= (1, 9);
    let criterion =
        matches!(view.word("criterion"), "gini" | "log_loss" | "entropy" | "squared_error" | "friedman_mse" | "poisson");
    let splits = match view.word("splitter") {
        "" => true,
        "best" => !extra,
        splitter => splitter == "random" && version >= (1, 6),
    };
    let monotonic = view.find("monotonic_cst").is_some();
    if version >= since && splits && (any || (criterion && !monotonic)) { Allow::Missing } else { Allow::Finite }
}

/// One tree, or the mean of many.
struct Model {
    name: String,
    frame: Frame,
    columns: usize,
    allow: Allow,
    trees: Ensemble<f32, f64>,
    /// The classes of each output; empty for a regressor.
    labels: Vec<Labels>,
    /// How many outputs a regressor has.
    targets: usize,
    /// Whether it is a forest, whose answer is the mean over the trees.
    many: bool,
}

/// The classes of a classifier of one or of several outputs.
fn classes(view: View<'_>) -> Made<Vec<Labels>> {
    let classes = view.get("classes_")?;
    match classes.array() {
        Ok(array) if !matches!(array.data, Data::Objects(_)) => Ok(vec![Labels::read(classes)?]),
        Ok(Array { shape, .. }) if shape.len() == 1 && classes.texts().is_some() => Ok(vec![Labels::read(classes)?]),
        _ => classes.items().into_iter().map(Labels::read).collect(),
    }
}

pub fn model(view: View<'_>, trees: &[View<'_>], classifier: bool, many: bool) -> Made<Estimator> {
    let labels = if classifier { classes(view)? } else { Vec::new() };
    if labels.len() > 1 && view.version() < (0, 21) {
        return python(format!("{}: before 0.21 the classes of several outputs were made floats", view.name()));
    }
    let columns = width(view)?;
    let mut read = Trees::of(trees);
    let sizes: Vec<usize> = labels.iter().map(Labels::len).collect();
    let widest = sizes.iter().copied().max().unwrap_or(1);
    for estimator in trees {
        // Before 1.4 they are counts, or sums of the rows' weights; since then they are fractions.
        let divide = estimator.version() < (1, 4);
        // A node has numbers for each output and class, where each output has as many places as the one with the most classes.
        read.push(estimator.get("tree_")?, 0, |_, numbers, leaf| {
            if sizes.is_empty() {
                leaf.extend_from_slice(numbers);
            }
            for (output, &size) in sizes.iter().enumerate() {
                let Some(counts) = numbers.get(output * widest..output * widest + size) else { continue };
                let sum = sum::pairwise(counts);
                let divide = divide && sum != 0.0;
                leaf.extend(counts.iter().map(|count| if divide { count / sum } else { *count }));
            }
        })?;
    }
    let expected = if classifier { sizes.iter().sum() } else { read.width };
    if read.width != expected || read.width == 0 {
        return python(format!("{}: its trees and classes do not fit together", view.name()));
    }
    Ok(Arc::new(Model {
        name: view.name().into(),
        frame: frame(view),
        columns,
        allow: allow(view, many),
        targets: read.width,
        trees: read.ensemble(columns)?,
        labels,
        many,
    }))
}

/// `DecisionTreeClassifier`, `ExtraTreeClassifier`
pub fn classifier(view: View<'_>) -> Made<Estimator> {
    model(view, &[view], true, false)
}

/// `DecisionTreeRegressor`, `ExtraTreeRegressor`
pub fn regressor(view: View<'_>) -> Made<Estimator> {
    model(view, &[view], false, false)
}

impl Model {
    fn sums(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate_single(&self.name, input, self.columns, self.allow)?;
        out.reset_zeros(input.rows(), self.targets, Kind::Double);
        add(&self.trees, input, &mut work.scratch, out);
        if self.many {
            let count = self.trees.count() as f64;
            out.map(|sum| sum / count);
        }
        Ok(())
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
        // Texts have to be refused before values are rounded to single precision.
        validate(&self.name, input, self.columns, Allow::All)?;
        if self.labels.is_empty() {
            return self.sums(input, work, out);
        }
        match method {
            Method::Predict => {
                let (mut sums, mut part, mut best) = (work.take(), work.take(), work.take());
                self.sums(input, work, &mut sums)?;
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
                Ok(())
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

    fn rows(&self, _lent: bool) -> usize {
        self.trees.rows()
    }

    fn memory(&self) -> usize {
        self.trees.memory()
    }
}
