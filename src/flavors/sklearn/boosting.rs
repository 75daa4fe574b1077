//! `GradientBoosting*` and `HistGradientBoosting*`: sums of trees, and what the loss makes of them.

use std::sync::Arc;

use super::{
    common::{frame, labels, width},
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, expect_width, has_logarithms, logarithm, validate},
    registry::build,
    tree::{Trees, add, number},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind, single},
        dense::{argmax, both, expit, softmax},
        trees::{Ensemble, Missing, Node, Test, Tree},
    },
};

/// What sums of trees begin with.
enum Start {
    /// The same for every row.
    Constant(Vec<f64>),
    /// An estimator's predictions, through the loss's link.
    Estimator { part: Shared, link: Link, epsilon: f64 },
}

/// What makes scores of probabilities.
#[derive(Clone, Copy, PartialEq)]
enum Link {
    Identity,
    Logit,
    HalfLogit,
    /// Logarithms, less their mean.
    Centered,
    /// Logarithms.
    Logarithm,
}

/// What makes predictions of sums.
#[derive(Clone, Copy, PartialEq)]
enum Inverse {
    Identity,
    Exponential,
    Logistic,
    /// The logistic of twice the sum.
    Double,
    Softmax,
}

/// Trees, by what they compare.
enum Grown {
    /// Values are rounded to single precision before trees see them.
    Single(Ensemble<f32, f64>),
    Double(Ensemble<f64, f64>),
}

/// A boosted model.
struct Boosted {
    name: String,
    frame: Frame,
    columns: usize,
    allow: Allow,
    /// Makes codes of categories and puts them first.
    preprocessor: Option<Shared>,
    start: Start,
    trees: Grown,
    outputs: usize,
    inverse: Inverse,
    labels: Vec<Labels>,
    /// Of two classes, a sum of zero is the second one.
    zero_is_second: bool,
}

fn logit(p: f64) -> f64 {
    // In scipy's two steps: the quotient loses digits near one half.
    if (0.3..=0.65).contains(&p) {
        let s = 2.0 * (p - 0.5);
        return s.ln_1p() - (-s).ln_1p();
    }
    (p / (1.0 - p)).ln()
}

/// `GradientBoostingClassifier`
pub(super) fn gradient_classifier(view: View<'_>) -> Made<Shared> {
    let labels = labels(view)?;
    let new = view.version() >= (1, 4);
    let (link, inverse) = match (view.word("loss"), labels.len() > 2) {
        ("exponential", false) => (Link::HalfLogit, Inverse::Double),
        ("log_loss" | "deviance", false) => (Link::Logit, Inverse::Logistic),
        ("log_loss" | "deviance", true) => (if new { Link::Centered } else { Link::Logarithm }, Inverse::Softmax),
        (other, _) => return python(format!("GradientBoostingClassifier: loss '{other}'")),
    };
    gradient(view, link, inverse, vec![labels])
}

/// `GradientBoostingRegressor`
pub(super) fn gradient_regressor(view: View<'_>) -> Made<Shared> {
    gradient(view, Link::Identity, Inverse::Identity, Vec::new())
}

fn gradient(view: View<'_>, link: Link, inverse: Inverse, labels: Vec<Labels>) -> Made<Shared> {
    let columns = width(view)?;
    let stages = view.get("estimators_")?;
    let outputs = match stages.array()?.shape[..] {
        [_, outputs] if outputs > 0 => outputs,
        _ => return stages.wrong("stages of trees"),
    };
    let expected = labels.first().map_or(1, |labels| if labels.len() == 2 { 1 } else { labels.len() });
    if outputs != expected {
        return python(format!("{}: {outputs} trees a stage, expected {expected}", view.name()));
    }
    let (mut trees, scale) = (Trees::new(1), view.float_of("learning_rate")?);
    for (at, tree) in stages.items().into_iter().enumerate() {
        trees.push(tree.get("tree_")?, at % outputs, |_, values, leaf| {
            leaf.extend(values.iter().take(1).map(|value| scale * value))
        })?;
    }
    let init = view.get("init_")?;
    let start = match (init.text(), init.name()) {
        (Some("zero"), _) => Start::Constant(vec![0.0; outputs]),
        (Some(_), _) => return init.wrong("where the sums begin"),
        (None, _) => {
            let epsilon = if view.version() >= (1, 8) { f64::EPSILON } else { f64::from(f32::EPSILON) };
            let part = build(init)?;
            let method = if labels.is_empty() { Method::Predict } else { Method::Proba };
            if !part.has(method) {
                return python(format!("{} has no {} to begin with", init.name(), method.name()));
            }
            Start::Estimator { part, link, epsilon }
        }
    };
    Ok(Arc::new(Boosted {
        name: view.name().into(),
        frame: frame(view),
        columns,
        allow: Allow::Finite,
        preprocessor: None,
        start,
        trees: Grown::Single(trees.ensemble(columns)?),
        outputs,
        inverse,
        labels,
        zero_is_second: view.version() >= (1, 4),
    }))
}

/// `HistGradientBoostingClassifier`
pub(super) fn histogram_classifier(view: View<'_>) -> Made<Shared> {
    let labels = labels(view)?;
    let inverse = if labels.len() > 2 { Inverse::Softmax } else { Inverse::Logistic };
    histogram(view, inverse, vec![labels])
}

/// `HistGradientBoostingRegressor`
pub(super) fn histogram_regressor(view: View<'_>) -> Made<Shared> {
    let inverse = match view.word("loss") {
        "squared_error" | "least_squares" | "absolute_error" | "least_absolute_deviation" | "quantile" => Inverse::Identity,
        "poisson" | "gamma" => Inverse::Exponential,
        other => return python(format!("HistGradientBoostingRegressor: loss '{other}'")),
    };
    histogram(view, inverse, Vec::new())
}

fn histogram(view: View<'_>, inverse: Inverse, labels: Vec<Labels>) -> Made<Shared> {
    let columns = width(view)?;
    let start = view.floats_of("_baseline_prediction")?;
    let outputs = start.len();
    let expected = labels.first().map_or(1, |labels| if labels.len() == 2 { 1 } else { labels.len() });
    if outputs != expected {
        return python(format!("{}: {outputs} sums, expected {expected}", view.name()));
    }
    let known = known_categories(view, columns)?;
    let mut trees = Trees::new(1);
    for stage in view.get("_predictors")?.items() {
        let predictors = stage.items();
        if predictors.len() != outputs {
            return stage.wrong("a tree for every sum");
        }
        for (target, predictor) in predictors.into_iter().enumerate() {
            trees.add(&predictor_tree(predictor, target, &known)?)?;
        }
    }
    Ok(Arc::new(Boosted {
        name: view.name().into(),
        frame: frame(view),
        columns,
        allow: Allow::All,
        preprocessor: view.find("_preprocessor").map(build).transpose()?,
        start: Start::Constant(start),
        trees: Grown::Double(trees.ensemble(columns)?),
        outputs,
        inverse,
        labels,
        zero_is_second: false,
    }))
}

/// The categories seen in training of each column.
fn known_categories(view: View<'_>, columns: usize) -> Made<Vec<[u32; 8]>> {
    let mut known = vec![[0; 8]; columns];
    let Some(mapper) = view.find("_bin_mapper") else { return Ok(known) };
    let categorical = mapper.find("is_categorical_").map(View::floats).transpose()?.unwrap_or_default();
    let thresholds = mapper.get("bin_thresholds_")?.items();
    for (column, set) in known.iter_mut().enumerate() {
        if categorical.get(column).is_some_and(|&categorical| categorical != 0.0)
            && let Some(values) = thresholds.get(column)
        {
            for value in values.floats()? {
                if (0.0..256.0).contains(&value) {
                    set[value as usize / 32] |= 1 << (value as usize % 32);
                }
            }
        }
    }
    Ok(known)
}

fn predictor_tree(view: View<'_>, target: usize, known: &[[u32; 8]]) -> Made<Tree<f64>> {
    let nodes = view.get("nodes")?;
    let array = nodes.array()?;
    let field = |name: &str| array.field(name);
    let ints = |name: &str| field(name).and_then(|field| field.ints());
    let floats = |name: &str| field(name).and_then(|field| field.floats());
    // Before 1.0 thresholds were called otherwise, and nothing was categorical.
    let (Some(value), Some(leaf), Some(feature), Some(threshold), Some(missing), Some(left), Some(right)) = (
        floats("value"),
        ints("is_leaf"),
        ints("feature_idx"),
        floats("num_threshold"),
        ints("missing_go_to_left"),
        ints("left"),
        ints("right"),
    ) else {
        return nodes.wrong("the nodes of a tree");
    };
    let categorical = ints("is_categorical").unwrap_or_else(|| vec![0; value.len()]);
    let places = ints("bitset_idx").unwrap_or_else(|| vec![0; value.len()]);
    let bits = match view.find("raw_left_cat_bitsets") {
        Some(bits) => bits.array()?.ints().unwrap_or_default(),
        None => Vec::new(),
    };
    let (mut made, mut sets, mut numbers) = (Vec::with_capacity(value.len()), Vec::new(), Vec::new());
    for node in 0..value.len() {
        if leaf[node] != 0 {
            made.push(Node::Leaf(number(numbers.len())));
            numbers.push(value[node]);
            continue;
        }
        let missing_left = missing[node] != 0;
        let test = if categorical[node] == 0 {
            Test::AtMost(threshold[node])
        } else {
            let start = usize::try_from(places[node]).unwrap_or(usize::MAX).saturating_mul(8);
            let (Some(words), Some(known)) =
                (bits.get(start..).and_then(|rest| rest.get(..8)), known.get(feature[node] as usize))
            else {
                return python("a categorical split without categories");
            };
            let has = |words: &[u32], category: usize| words[category / 32] >> (category % 32) & 1 == 1;
            let words: Vec<u32> = words.iter().map(|&word| word as u32).collect();
            // What is neither sent left nor known counts as missing.
            let set = |category: &usize| match missing_left {
                true => has(known, *category) && !has(&words, *category),
                false => has(&words, *category),
            };
            sets.push((0..256).filter(set).map(number).collect());
            let set = number(sets.len() - 1);
            if missing_left { Test::NotIn(set) } else { Test::In(set) }
        };
        made.push(Node::Split {
            feature: number(feature[node]),
            test,
            missing: Missing::Nan,
            missing_left,
            left: number(left[node]),
            right: number(right[node]),
        });
    }
    Ok(Tree { nodes: made, sets, values: numbers, output: number(target) })
}

impl Start {
    fn fill(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let (part, link, epsilon) = match self {
            Self::Constant(numbers) => {
                numbers.iter().enumerate().for_each(|(column, number)| out.column_mut(column).fill(*number));
                return Ok(());
            }
            Self::Estimator { part, link, epsilon } => (part, *link, *epsilon),
        };
        let method = if link == Link::Identity { Method::Predict } else { Method::Proba };
        work.with(&**part, method, input, |_, made| {
            let (width, outputs) = (made.width(), out.width());
            let expected = if outputs > 1 { outputs } else { 1 + usize::from(link != Link::Identity) };
            expect_width("what the sums begin with", made, expected)?;
            for row in 0..made.rows() {
                if outputs == 1 {
                    // Of two classes the probability of the second.
                    let value = made.at(row, width - 1);
                    let clipped = value.clamp(epsilon, 1.0 - epsilon);
                    out.column_mut(0)[row] = match link {
                        Link::Logit => logit(clipped),
                        Link::HalfLogit => 0.5 * logit(clipped),
                        _ => value,
                    };
                    continue;
                }
                let logarithm = |column: usize| made.at(row, column).clamp(epsilon, 1.0 - epsilon).ln();
                let mean = (0..width).map(logarithm).sum::<f64>() / width as f64;
                for column in 0..width.min(outputs) {
                    out.column_mut(column)[row] = match link {
                        // By way of the geometric mean, as the library does.
                        Link::Centered => (made.at(row, column).clamp(epsilon, 1.0 - epsilon) / mean.exp()).ln(),
                        _ => logarithm(column),
                    };
                }
            }
            Ok(())
        })
    }
}

impl Boosted {
    fn sums(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut seen = work.take();
        let made = self.sums_of(input, &mut seen, work, out);
        work.give(seen);
        made
    }

    fn sums_of(&self, input: &Block, seen: &mut Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let input = match (&self.preprocessor, &self.trees) {
            (Some(part), _) => {
                part.run(Method::Transform, input, work, seen)?;
                &*seen
            }
            (None, Grown::Single(_)) => {
                validate(&self.name, input, self.columns, Allow::All)?;
                single(input, seen);
                &*seen
            }
            (None, Grown::Double(_)) => input,
        };
        validate(&self.name, input, self.columns, self.allow)?;
        out.reset(input.rows(), self.outputs, Kind::Double);
        self.start.fill(input, work, out)?;
        match &self.trees {
            Grown::Single(trees) => add(trees, input, &mut work.scratch, out),
            Grown::Double(trees) => add(trees, input, &mut work.scratch, out),
        }
        Ok(())
    }

    fn decide(&self, sums: &Block, out: &mut Block) {
        if sums.width() > 1 {
            return argmax(sums, out);
        }
        out.reset(sums.rows(), 1, Kind::Class);
        for (class, &sum) in out.column_mut(0).iter_mut().zip(sums.column(0)) {
            *class = f64::from(u8::from(sum > 0.0 || (sum == 0.0 && self.zero_is_second)));
        }
    }
}

impl Part for Boosted {
    fn has(&self, method: Method) -> bool {
        match method {
            Method::Predict => true,
            Method::Proba | Method::Decision => !self.labels.is_empty(),
            Method::LogProba => !self.labels.is_empty() && has_logarithms(&self.name),
            Method::Transform => false,
        }
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if self.labels.is_empty() || method == Method::Decision {
            self.sums(input, work, out)?;
            if self.inverse == Inverse::Exponential {
                out.map(f64::exp);
            }
            return Ok(());
        }
        let mut sums = work.take();
        self.sums(input, work, &mut sums)?;
        match (method, self.inverse) {
            (Method::Predict, _) => self.decide(&sums, out),
            (_, Inverse::Softmax) => {
                out.reset(sums.rows(), sums.width(), Kind::Double);
                out.copy(0, &sums);
                softmax(out);
            }
            (_, inverse) => {
                sums.map(|sum| expit(if inverse == Inverse::Double { 2.0 * sum } else { sum }));
                both(&sums, out);
            }
        }
        work.give(sums);
        if method == Method::LogProba {
            logarithm(out);
        }
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn rows(&self, _lent: bool) -> usize {
        match &self.trees {
            Grown::Single(trees) => trees.rows(),
            Grown::Double(trees) => trees.rows(),
        }
    }

    fn memory(&self) -> usize {
        let trees = match &self.trees {
            Grown::Single(trees) => trees.memory(),
            Grown::Double(trees) => trees.memory(),
        };
        trees + self.preprocessor.as_ref().map_or(0, |part| part.memory())
    }
}
