//! The trees of scikit-learn's `KDTree` and `BallTree`. The children of node `i` are the nodes `2 i + 1` and `2 i + 2`.

use super::{Metric, Neighbors, heap::Heap};

/// A node.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// The first of its points, as a place in [`Tree::order`].
    pub start: u32,
    /// The end of its points.
    pub end: u32,
    /// Whether it has no children.
    pub leaf: bool,
    /// The greatest distance of a point from the centre, for balls.
    pub radius: f64,
}

/// What bounds the points of a node.
#[derive(Debug)]
pub enum Shape {
    /// The least and the greatest value of each column, node by node.
    Boxes {
        /// The least.
        low: Vec<f64>,
        /// The greatest.
        high: Vec<f64>,
    },
    /// Centres, node by node.
    Balls(Vec<f64>),
}

/// A tree over points.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    /// The points in the tree's order.
    order: Vec<u32>,
    shape: Shape,
}

impl Tree {
    /// A tree; [`Neighbors::new`] checks that it is one.
    pub fn new(nodes: Vec<Node>, order: Vec<u32>, shape: Shape) -> Self {
        Self { nodes, order, shape }
    }

    /// Whether every number in it is that of an existing node, point or bound.
    pub(super) fn is_of(&self, points: usize, columns: usize) -> bool {
        let bounds = self.nodes.len().checked_mul(columns);
        let bounded = match &self.shape {
            Shape::Boxes { low, high } => Some(low.len()) == bounds && Some(high.len()) == bounds,
            Shape::Balls(centres) => Some(centres.len()) == bounds,
        };
        let node = |(at, node): (usize, &Node)| {
            node.start <= node.end && node.end as usize <= self.order.len() && (node.leaf || 2 * at + 2 < self.nodes.len())
        };
        bounded
            && !self.nodes.is_empty()
            && self.nodes.iter().enumerate().all(node)
            && self.order.iter().all(|&point| (point as usize) < points)
    }

    pub(super) fn memory(&self) -> usize {
        let bounds = match &self.shape {
            Shape::Boxes { low, high } => low.len() + high.len(),
            Shape::Balls(centres) => centres.len(),
        };
        self.nodes.len() * size_of::<Node>() + self.order.len() * 4 + bounds * 8
    }

    /// Finds the points nearest to a row.
    pub(super) fn nearest(&self, all: &Neighbors, row: &[f64], mut heap: Heap<'_>) {
        let least = self.least(all.metric, 0, row);
        self.visit(all, 0, row, least, &mut heap);
    }

    /// Searches below a node, in the nearer child first. The recursion is not deep, for the numbers of nodes double from level to
    /// level.
    fn visit(&self, all: &Neighbors, at: usize, row: &[f64], least: f64, heap: &mut Heap<'_>) {
        if least > heap.farthest() {
            return;
        }
        let node = self.nodes[at];
        if node.leaf {
            for &point in &self.order[node.start as usize..node.end as usize] {
                heap.push(all.metric.between(row, all.point(point as usize)), point);
            }
            return;
        }
        let (left, right) = (2 * at + 1, 2 * at + 2);
        let (to_left, to_right) = (self.least(all.metric, left, row), self.least(all.metric, right, row));
        if to_left <= to_right {
            self.visit(all, left, row, to_left, heap);
            self.visit(all, right, row, to_right, heap);
        } else {
            self.visit(all, right, row, to_right, heap);
            self.visit(all, left, row, to_left, heap);
        }
    }

    /// The least reduced distance that a point of a node can have.
    fn least(&self, metric: Metric, at: usize, row: &[f64]) -> f64 {
        let columns = row.len();
        match &self.shape {
            Shape::Balls(centres) => {
                let centre = metric.full(metric.between(row, &centres[at * columns..][..columns]));
                metric.reduced(f64::max(0.0, centre - self.nodes[at].radius))
            }
            Shape::Boxes { low, high } => {
                let bounds = low[at * columns..][..columns].iter().zip(&high[at * columns..][..columns]);
                let outside = row.iter().zip(bounds).map(|(value, (low, high))| {
                    let (below, above) = (low - value, value - high);
                    0.5 * ((below + below.abs()) + (above + above.abs()))
                });
                match metric {
                    Metric::Euclidean => outside.fold(0.0, |sum, out| sum + out * out),
                    Metric::Minkowski(degree) => outside.fold(0.0, |sum, out| sum + out.powf(degree)),
                    Metric::Chebyshev => outside.fold(0.0, f64::max),
                    _ => outside.fold(0.0, |sum, out| sum + out),
                }
            }
        }
    }
}
