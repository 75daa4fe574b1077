//! The rows of a table that lie nearest to others.
//!
//! Which of several rows at the very same distance count as nearest depends on the order in which the search meets them. So a
//! tree is searched in the order in which scikit-learn searches it, rows without a tree one after another, and the same kind of
//! heap collects them.

mod donors;
mod heap;
mod metric;
mod tree;

pub use donors::{Donors, Offers};
pub use heap::Nearest;
pub use metric::Metric;
pub use tree::{Node, Shape, Tree};

use super::block::Block;

/// Rows to be found, and how.
#[derive(Debug)]
pub struct Neighbors {
    metric: Metric,
    columns: usize,
    /// Row by row.
    points: Vec<f64>,
    tree: Option<Tree>,
}

impl Neighbors {
    /// `None` where there are no points, where they are not rows of `columns` columns, or where the tree does not fit them.
    pub fn new(metric: Metric, columns: usize, mut points: Vec<f64>, tree: Option<Tree>) -> Option<Self> {
        let whole = columns > 0 && !points.is_empty() && points.len().is_multiple_of(columns);
        let count = points.len().checked_div(columns)?;
        if !whole || u32::try_from(count).is_err() || tree.as_ref().is_some_and(|tree| !tree.is_of(count, columns)) {
            return None;
        }
        if metric == Metric::Cosine {
            points.chunks_exact_mut(columns).for_each(metric::normalize);
        }
        Some(Self { metric, columns, points, tree })
    }

    /// How many points there are.
    pub fn count(&self) -> usize {
        self.points.len() / self.columns
    }

    /// How many columns they have.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether scikit-learn would compute distances by products of matrices instead of differences.
    pub fn is_by_product(&self) -> bool {
        self.tree.is_none() && matches!(self.metric, Metric::Euclidean | Metric::Cosine)
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.points.len() * 8 + self.tree.as_ref().map_or(0, Tree::memory)
    }

    fn point(&self, at: usize) -> &[f64] {
        &self.points[at * self.columns..][..self.columns]
    }

    /// Finds the `count` points nearest to each row, at most as many as there are points. `scratch` is room to work in.
    pub fn nearest(&self, input: &Block, count: usize, scratch: &mut Vec<f64>, found: &mut Nearest) {
        found.reset(input.rows(), count);
        match &self.tree {
            Some(tree) => {
                for row in 0..input.rows() {
                    self.gather(input, row, scratch);
                    tree.nearest(self, scratch, found.heap(row));
                }
            }
            None => self.scan(input, scratch, found),
        }
        found.finish(self.metric);
    }

    /// Compares each row with all points, column by column.
    fn scan(&self, input: &Block, scratch: &mut Vec<f64>, found: &mut Nearest) {
        let rows = input.rows();
        scratch.clear();
        scratch.resize(2 * rows, 0.0);
        let (lengths, distances) = scratch.split_at_mut(rows);
        self.metric.lengths(input, lengths);
        for (at, point) in self.points.chunks_exact(self.columns).enumerate() {
            self.metric.distances(input, point, lengths, distances);
            for (row, &distance) in distances.iter().enumerate() {
                if distance < found.farthest(row) {
                    found.heap(row).push(distance, at as u32);
                }
            }
        }
    }

    /// Finds the points within a radius of a row, with their distances, in their order.
    pub fn within(&self, input: &Block, row: usize, radius: f64, scratch: &mut Vec<f64>, found: &mut Vec<(u32, f64)>) {
        self.gather(input, row, scratch);
        found.clear();
        let reach = self.metric.reduced(radius);
        for (at, point) in self.points.chunks_exact(self.columns).enumerate() {
            let distance = self.metric.between(scratch, point);
            if distance <= reach {
                found.push((at as u32, self.metric.full(distance)));
            }
        }
    }

    /// Copies the values of a row into a contiguous list.
    fn gather(&self, input: &Block, row: usize, out: &mut Vec<f64>) {
        out.clear();
        out.extend(input.columns().map(|column| column[row]));
        if self.metric == Metric::Cosine {
            metric::normalize(out);
        }
    }
}

#[cfg(test)]
mod tests;
