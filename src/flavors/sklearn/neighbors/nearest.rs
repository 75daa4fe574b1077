//! `KNeighbors*` and `RadiusNeighbors*`

use std::sync::Arc;

use crate::{
    error::{Error, Kind as ErrorKind, Result},
    flavors::sklearn::base::{Allow, Estimator, Frame, Labels, Made, Method, Part, View, Work, frame, python, validate, width},
    formats::{npy::Array, objects::Value},
    kernels::{
        block::{Block, Kind},
        dense::{argmax, divide_by_sums},
        neighbors::{Metric, Neighbors, Node, Shape, Tree},
        sum,
    },
};

/// The metric by the name and the params it was fitted with.
fn metric(view: View<'_>) -> Made<Metric> {
    let unknown = |what: &str| python(format!("{}: metric '{what}'", view.name()));
    let params = view.find("effective_metric_params_").map(View::pairs).unwrap_or_default();
    let mut degree = None;
    for (name, value) in params {
        match (name.text().unwrap_or_default(), value.number()) {
            ("p", number) => degree = number,
            // Weights of the columns, where there are none.
            (_, None) if *value.value() == Value::None => {}
            (name, _) => return python(format!("{}: its metric has the param '{name}'", view.name())),
        }
    }
    Ok(match (view.word("effective_metric_"), degree) {
        ("euclidean" | "l2", _) => Metric::Euclidean,
        ("manhattan" | "cityblock" | "l1", _) => Metric::Manhattan,
        ("chebyshev" | "infinity", _) => Metric::Chebyshev,
        ("minkowski" | "p", Some(degree)) if degree > 0.0 && degree.is_finite() => Metric::Minkowski(degree),
        ("cosine", _) => Metric::Cosine,
        ("", _) => return unknown("of a function"),
        (other, _) => return unknown(other),
    })
}

/// The rows that an estimator was fitted on, and how it searches them.
pub fn fitted(view: View<'_>) -> Made<Neighbors> {
    let metric = metric(view)?;
    let (points, _, columns) = view.matrix_of("_fit_X")?;
    let tree = match view.word("_fit_method") {
        "brute" => None,
        "kd_tree" | "ball_tree" => Some(tree(view.get("_tree")?, metric, columns)?),
        other => return python(format!("{}: algorithm '{other}'", view.name())),
    };
    let width = width(view)?;
    match Neighbors::new(metric, columns, points, tree).filter(|neighbors| neighbors.columns() == width) {
        Some(neighbors) => Ok(neighbors),
        None => python(format!("{}: its rows and its tree do not fit together", view.name())),
    }
}

/// A tree's state: points, their order, nodes, bounds, seven numbers, metric, weights.
fn tree(view: View<'_>, metric: Metric, columns: usize) -> Made<Tree> {
    let state = view.state();
    let [_, order, nodes, bounds, .., distance, _] = state[..] else { return view.wrong("a tree") };
    let class = distance.args().first().map_or(distance.name(), |class| class.name());
    let same = match metric {
        Metric::Euclidean => class.starts_with("EuclideanDistance"),
        Metric::Manhattan => class.starts_with("ManhattanDistance"),
        Metric::Chebyshev => class.starts_with("ChebyshevDistance"),
        Metric::Minkowski(_) => class.starts_with("MinkowskiDistance"),
        Metric::Cosine => false,
    };
    if !same {
        return python(format!("a tree of the metric {class}"));
    }
    let numbers = |array: Option<Array>| array.and_then(|array| array.ints()).unwrap_or_default();
    let array = nodes.array()?;
    let radii = array.field("radius").and_then(|radii| radii.floats()).unwrap_or_default();
    let [starts, ends, leaves] = ["idx_start", "idx_end", "is_leaf"].map(|field| numbers(array.field(field)));
    let place = |number: i64| u32::try_from(number).ok();
    let made =
        radii.iter().zip(&starts).zip(&ends).zip(&leaves).map(|(((&radius, &start), &end), &leaf)| {
            Some(Node { start: place(start)?, end: place(end)?, leaf: leaf != 0, radius })
        });
    let made = made.collect::<Option<Vec<_>>>();
    let order = numbers(Some(order.array()?.clone())).into_iter().map(place).collect::<Option<Vec<_>>>();
    let (Some(made), Some(order)) = (made.filter(|made| made.len() == array.count()), order) else {
        return nodes.wrong("the nodes of a tree");
    };
    let values = bounds.floats()?;
    let size = made.len() * columns;
    let shape = match *bounds.array()?.shape.as_slice() {
        [1, nodes, of] if (nodes, of) == (made.len(), columns) => Shape::Balls(values),
        [2, nodes, of] if (nodes, of) == (made.len(), columns) => {
            let (low, high) = values.split_at(size);
            Shape::Boxes { low: low.to_vec(), high: high.to_vec() }
        }
        _ => return bounds.wrong("the bounds of a tree"),
    };
    Ok(Tree::new(made, order, shape))
}

fn no_neighbors(row: usize) -> Error {
    let message = "no neighbors found within the radius, and there is no label for outliers";
    Error::new(ErrorKind::InvalidArgument, "NO_NEIGHBORS", message).row(row as u64)
}

/// Whether nearer neighbors have a greater weight.
///
/// Without a tree, the library computes Euclidean and cosine distances from a product of matrices. For nearly equal rows only
/// rounding errors are left of that, and the weight is their inverse: such weights cannot be reproduced.
fn weighted(view: View<'_>, neighbors: &Neighbors) -> Made<bool> {
    let weights = view.find("weights");
    match weights.map(|weights| weights.text().unwrap_or("of a function")) {
        None | Some("uniform") => Ok(false),
        Some("distance") if neighbors.is_by_product() => {
            python(format!("{}: weights of distances that a product of matrices leaves", view.name()))
        }
        Some("distance") => Ok(true),
        Some(other) => python(format!("{}: weights '{other}'", view.name())),
    }
}

/// Turns distances into weights: their inverses, or where some are zero, 1 for these and 0 for the others.
fn weigh(distances: &[f64], out: &mut Vec<f64>) {
    let at_zero = distances.contains(&0.0);
    out.clear();
    out.extend(distances.iter().map(|&distance| match at_zero {
        true => f64::from(u8::from(distance == 0.0)),
        false => 1.0 / distance,
    }));
}

/// Which rows are the neighbors of a row.
enum Reach {
    /// The nearest, this many.
    Nearest(usize),
    /// All within this radius.
    Within(f64),
}

/// The targets of the rows that were fitted on.
enum Says {
    /// For each output the class of every row, and the class of a row without neighbors, if there may be such rows.
    Classes { classes: Vec<Vec<u32>>, counts: Vec<usize>, alone: Vec<Alone> },
    /// For each output the number of every row.
    Numbers(Vec<Vec<f64>>),
}

/// The class of a row without neighbors.
#[derive(Clone, Copy)]
enum Alone {
    Class(usize),
    /// The library refuses it.
    Refused,
}

/// An estimator that predicts from the neighbors of a row.
struct Asking {
    name: String,
    frame: Frame,
    neighbors: Neighbors,
    reach: Reach,
    weighted: bool,
    says: Says,
    labels: Vec<Labels>,
}

fn asking(view: View<'_>, reach: Reach, says: Says, labels: Vec<Labels>) -> Made<Estimator> {
    let neighbors = fitted(view)?;
    let weighted = weighted(view, &neighbors)?;
    let lengths = match &says {
        Says::Classes { classes, .. } => classes.iter().map(Vec::len).collect::<Vec<_>>(),
        Says::Numbers(numbers) => numbers.iter().map(Vec::len).collect(),
    };
    let enough = match reach {
        Reach::Nearest(count) => (1..=neighbors.count()).contains(&count),
        Reach::Within(radius) => radius >= 0.0,
    };
    if lengths.is_empty() || !enough || lengths.iter().any(|&length| length != neighbors.count()) {
        return python(format!("{}: not a target for every row, or more neighbors than rows", view.name()));
    }
    Ok(Arc::new(Asking { name: view.name().into(), frame: frame(view), neighbors, reach, weighted, says, labels }))
}

/// Columns of `_y`, output by output.
fn targets<T: Copy>(view: View<'_>, values: &[T]) -> Made<Vec<Vec<T>>> {
    let outputs = view.get("_y")?.array()?.shape.get(1).copied().unwrap_or(1).max(1);
    Ok((0..outputs).map(|output| values.iter().skip(output).step_by(outputs).copied().collect()).collect())
}

fn classes(view: View<'_>) -> Made<(Vec<Vec<u32>>, Vec<Labels>)> {
    let found = view.get("classes_")?;
    let several = view.flag("outputs_2d_");
    let labels = match several {
        true => found.items().into_iter().map(Labels::read).collect::<Made<Vec<_>>>()?,
        false => vec![Labels::read(found)?],
    };
    let numbers = view.get("_y")?.array()?.ints().unwrap_or_default();
    let numbers = numbers.into_iter().map(|number| u32::try_from(number).ok()).collect::<Option<Vec<_>>>();
    let classes = targets(view, &numbers.unwrap_or_default())?;
    let known = |(classes, labels): (&Vec<u32>, &Labels)| classes.iter().all(|&class| (class as usize) < labels.len());
    if classes.len() != labels.len() || !classes.iter().zip(&labels).all(known) {
        return python(format!("{}: its targets are not of its classes", view.name()));
    }
    Ok((classes, labels))
}

fn numbers(view: View<'_>) -> Made<Says> {
    if view.is_single("_y") {
        return python(format!("{}: targets of single precision", view.name()));
    }
    Ok(Says::Numbers(targets(view, &view.floats_of("_y")?)?))
}

fn nearest(view: View<'_>) -> Made<Reach> {
    Ok(Reach::Nearest(view.count_of("n_neighbors")?))
}

fn within(view: View<'_>) -> Made<Reach> {
    Ok(Reach::Within(view.float_of("radius")?))
}

/// `KNeighborsClassifier`
pub fn classifier(view: View<'_>) -> Made<Estimator> {
    let (classes, labels) = classes(view)?;
    let counts = labels.iter().map(Labels::len).collect();
    asking(view, nearest(view)?, Says::Classes { alone: vec![Alone::Refused; classes.len()], classes, counts }, labels)
}

/// `RadiusNeighborsClassifier`, in which rows without neighbors may have a class of their own.
pub fn radius_classifier(view: View<'_>) -> Made<Estimator> {
    let (classes, labels) = classes(view)?;
    let counts = labels.iter().map(Labels::len).collect();
    let alone = match view.find("outlier_label_") {
        None => vec![Alone::Refused; classes.len()],
        Some(found) => {
            let same = |label: View<'_>, labels: &Labels| match label.text() {
                Some(text) => (0..labels.len()).find(|&at| labels.text(at) == Some(text)),
                None => (0..labels.len()).find(|&at| Some(labels.number(at)) == label.number()),
            };
            let alone = found.items().into_iter().zip(&labels).map(|(label, labels)| same(label, labels).map(Alone::Class));
            match alone.collect::<Option<Vec<_>>>().filter(|alone| alone.len() == classes.len()) {
                Some(alone) => alone,
                None => return python(format!("{}: a label for outliers that is no class", view.name())),
            }
        }
    };
    asking(view, within(view)?, Says::Classes { classes, counts, alone }, labels)
}

/// `KNeighborsRegressor`
pub fn regressor(view: View<'_>) -> Made<Estimator> {
    asking(view, nearest(view)?, numbers(view)?, Vec::new())
}

/// `RadiusNeighborsRegressor`
pub fn radius_regressor(view: View<'_>) -> Made<Estimator> {
    if view.get("_y")?.array()?.ints().is_some() {
        // A row without neighbors gets NaN, and what a cast of NaN to a whole number gives depends on the CPU.
        return python("RadiusNeighborsRegressor: targets of whole numbers");
    }
    asking(view, within(view)?, numbers(view)?, Vec::new())
}

impl Asking {
    /// Gives each row's neighbors and their weights to `each`.
    fn ask(&self, input: &Block, work: &mut Work, mut each: impl FnMut(usize, &[u32], &[f64]) -> Result<()>) -> Result<()> {
        let mut scratch = std::mem::take(&mut work.numbers);
        let mut weights = Vec::new();
        let mut made = Ok(());
        match self.reach {
            Reach::Nearest(count) => {
                let found = &mut work.nearest;
                self.neighbors.nearest(input, count, &mut scratch, found);
                weights.resize(count, 1.0);
                for row in 0..input.rows() {
                    if self.weighted {
                        weigh(found.distances(row), &mut weights);
                    }
                    made = made.and_then(|()| each(row, found.points(row), &weights));
                }
            }
            Reach::Within(radius) => {
                let (mut found, mut points, mut distances) = (Vec::new(), Vec::new(), Vec::new());
                for row in 0..input.rows() {
                    self.neighbors.within(input, row, radius, &mut scratch, &mut found);
                    points.clear();
                    distances.clear();
                    for &(point, distance) in &found {
                        points.push(point);
                        distances.push(if self.weighted { distance } else { 1.0 });
                    }
                    weigh(&distances, &mut weights);
                    made = made.and_then(|()| each(row, &points, &weights));
                }
            }
        }
        work.numbers = scratch;
        made
    }

    /// Shares of the classes of one output.
    fn shares(&self, output: usize, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let Says::Classes { classes, counts, alone } = &self.says else { return Ok(()) };
        let (classes, alone) = (&classes[output], alone[output]);
        out.reset_zeros(input.rows(), counts[output], Kind::Double);
        self.ask(input, work, |row, points, weights| {
            for (&point, weight) in points.iter().zip(weights) {
                out.column_mut(classes[point as usize] as usize)[row] += weight;
            }
            match (points.is_empty(), alone) {
                (true, Alone::Class(class)) => out.column_mut(class)[row] = 1.0,
                (true, Alone::Refused) => return Err(no_neighbors(row)),
                _ => {}
            }
            Ok(())
        })?;
        divide_by_sums(out);
        Ok(())
    }

    /// The classes with the greatest sum of weights, summed in the order of the library.
    fn votes(&self, output: usize, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let Says::Classes { classes, counts, .. } = &self.says else { return Ok(()) };
        let (classes, count) = (&classes[output], counts[output]);
        let mut own = Vec::new();
        self.ask(input, work, |row, points, weights| {
            let (mut best, mut most) = (0, 0.0);
            for class in 0..count {
                own.clear();
                let weight =
                    |(&point, &weight): (&u32, &f64)| if classes[point as usize] as usize == class { weight } else { 0.0 };
                own.extend(points.iter().zip(weights).map(weight));
                let sum = sum::pairwise(&own);
                if sum > most {
                    (best, most) = (class, sum);
                }
            }
            out.column_mut(output)[row] = best as f64;
            Ok(())
        })
    }

    fn predict(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        match &self.says {
            Says::Classes { classes, .. } => {
                out.reset(input.rows(), classes.len(), Kind::Class);
                for output in 0..classes.len() {
                    if self.weighted && matches!(self.reach, Reach::Nearest(_)) {
                        self.votes(output, input, work, out)?;
                        continue;
                    }
                    let (mut shares, mut best) = (work.take(), work.take());
                    self.shares(output, input, work, &mut shares)?;
                    argmax(&shares, &mut best);
                    out.copy_column(output, &best, 0);
                    work.give(shares);
                    work.give(best);
                }
                Ok(())
            }
            Says::Numbers(numbers) => {
                out.reset(input.rows(), numbers.len(), Kind::Double);
                self.ask(input, work, |row, points, weights| {
                    let total = sum::pairwise(weights);
                    for (output, numbers) in numbers.iter().enumerate() {
                        let terms = points.iter().zip(weights).map(|(&point, weight)| numbers[point as usize] * weight);
                        out.column_mut(output)[row] = terms.sum::<f64>() / total;
                    }
                    Ok(())
                })
            }
        }
    }
}

impl Part for Asking {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict || (method == Method::Proba && self.labels.len() == 1)
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate(&self.name, input, self.neighbors.columns(), Allow::Finite)?;
        match method {
            Method::Proba => self.shares(0, input, work, out),
            _ => self.predict(input, work, out),
        }
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        let says: usize = match &self.says {
            Says::Classes { classes, .. } => classes.iter().map(|classes| classes.len() * 4).sum(),
            Says::Numbers(numbers) => numbers.iter().map(|numbers| numbers.len() * 8).sum(),
        };
        self.neighbors.memory() + says
    }
}
