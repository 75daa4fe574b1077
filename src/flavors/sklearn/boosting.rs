//! `GradientBoosting*` and `HistGradientBoosting*`: sums of trees, and what the loss makes of them.

use std::sync::Arc;

use super::{
    common::{frame, labels, width},
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, expect_width, logarithm, validate},
    registry::build,
    tree::Trees,
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::{
        block::{Block, Kind},
        dense::{argmax, both, expit, softmax},
        forest::{Categories, Node, Test, single},
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

/// A boosted model.
struct Boosted {
    name: String,
    frame: Frame,
    columns: usize,
    allow: Allow,
    /// Values are rounded to single precision before trees see them.
    rounds: bool,
    /// Makes codes of categories and puts them first.
    preprocessor: Option<Shared>,
    start: Start,
    /// Each tree and the score it adds to, in the order of the sums.
    trees: Trees,
    targets: Vec<usize>,
    scale: f64,
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
    let (mut trees, mut targets) = (Trees::default(), Vec::new());
    for (at, tree) in stages.items().into_iter().enumerate() {
        trees.push(tree.get("tree_")?, columns, |_, values| values.get(..1).unwrap_or_default().to_vec())?;
        targets.push(at % outputs);
    }
    let init = view.get("init_")?;
    let start = match (init.text(), init.name()) {
        (Some("zero"), _) => Start::Constant(vec![0.0; outputs]),
        (Some(_), _) => return init.wrong("where the sums begin"),
        (None, _) => {
            let new = view.version() >= (1, 4);
            let epsilon = if new { f64::EPSILON } else { f64::from(f32::EPSILON) };
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
        rounds: true,
        preprocessor: None,
        start,
        trees,
        targets,
        scale: view.float_of("learning_rate")?,
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
    let (mut trees, mut targets) = (Trees { outputs: 1, ..Trees::default() }, Vec::new());
    for stage in view.get("_predictors")?.items() {
        let predictors = stage.items();
        if predictors.len() != outputs {
            return stage.wrong("a tree for every sum");
        }
        for (target, predictor) in predictors.into_iter().enumerate() {
            predictor_tree(predictor, columns, &known, &mut trees)?;
            targets.push(target);
        }
    }
    Ok(Arc::new(Boosted {
        name: view.name().into(),
        frame: frame(view),
        columns,
        allow: Allow::All,
        rounds: false,
        preprocessor: view.find("_preprocessor").map(build).transpose()?,
        start: Start::Constant(start),
        trees,
        targets,
        scale: 1.0,
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

fn predictor_tree(view: View<'_>, columns: usize, known: &[[u32; 8]], trees: &mut Trees) -> Made<()> {
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
    let child = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let mut made = Vec::with_capacity(value.len());
    for node in 0..value.len() {
        if leaf[node] != 0 {
            made.push(Node::Leaf(u32::try_from(trees.values.len()).unwrap_or(u32::MAX)));
            trees.values.push(value[node]);
            continue;
        }
        let test = if categorical[node] == 0 {
            Test::AtMost(threshold[node])
        } else {
            let start = usize::try_from(places[node]).unwrap_or(usize::MAX).saturating_mul(8);
            let (Some(words), Some(&known)) =
                (bits.get(start..).and_then(|rest| rest.get(..8)), known.get(feature[node] as usize))
            else {
                return python("a categorical split without categories");
            };
            let mut set = [0; 8];
            set.iter_mut().zip(words).for_each(|(to, from)| *to = *from as u32);
            Test::In(Categories { left: set, known })
        };
        made.push(Node::Split {
            column: child(feature[node]),
            test,
            missing_left: missing[node] != 0,
            left: child(left[node]),
            right: child(right[node]),
        });
    }
    Ok(trees.forest.push(&made, columns)?)
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
        let input = match (&self.preprocessor, self.rounds) {
            (Some(part), _) => {
                part.run(Method::Transform, input, work, seen)?;
                &*seen
            }
            (None, true) => {
                validate(&self.name, input, self.columns, Allow::All)?;
                single(input, seen);
                &*seen
            }
            (None, false) => input,
        };
        validate(&self.name, input, self.columns, self.allow)?;
        out.reset(input.rows(), self.outputs, Kind::Double);
        self.start.fill(input, work, out)?;
        let mut leaves = std::mem::take(&mut work.leaves);
        for (tree, &target) in self.targets.iter().enumerate() {
            self.trees.add(tree, input, self.scale, &mut leaves, out, target);
        }
        work.leaves = leaves;
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
            Method::Proba | Method::Decision | Method::LogProba => !self.labels.is_empty(),
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
        let made = self.sums(input, work, &mut sums);
        match (method, self.inverse) {
            _ if made.is_err() => {}
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
        made
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.trees.memory() + self.preprocessor.as_ref().map_or(0, |part| part.memory())
    }
}
