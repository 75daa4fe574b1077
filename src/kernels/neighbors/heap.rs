//! A heap with the nearest points found so far.

use super::Metric;

/// For each row its nearest points and their distances.
#[derive(Debug, Default)]
pub struct Nearest {
    count: usize,
    distances: Vec<f64>,
    points: Vec<u32>,
    sorted: Vec<(f64, u32)>,
}

/// The nearest points found for one row so far, the farthest first. A place that is not yet taken counts as infinitely far.
pub(super) struct Heap<'a> {
    distances: &'a mut [f64],
    points: &'a mut [u32],
}

impl Nearest {
    pub(super) fn reset(&mut self, rows: usize, count: usize) {
        self.count = count;
        self.distances.clear();
        self.distances.resize(rows * count, f64::INFINITY);
        self.points.clear();
        self.points.resize(rows * count, 0);
    }

    pub(super) fn heap(&mut self, row: usize) -> Heap<'_> {
        let places = row * self.count..(row + 1) * self.count;
        Heap { distances: &mut self.distances[places.clone()], points: &mut self.points[places] }
    }

    /// A point of a row must be nearer than this to be taken.
    pub(super) fn farthest(&self, row: usize) -> f64 {
        self.distances[row * self.count]
    }

    /// Sorts the points, the nearest first, and turns reduced distances into distances.
    pub(super) fn finish(&mut self, metric: Metric) {
        for (distances, points) in
            self.distances.chunks_exact_mut(self.count.max(1)).zip(self.points.chunks_exact_mut(self.count.max(1)))
        {
            self.sorted.clear();
            self.sorted.extend(distances.iter().copied().zip(points.iter().copied()));
            self.sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (place, &(distance, point)) in self.sorted.iter().enumerate() {
                (distances[place], points[place]) = (metric.full(distance), point);
            }
        }
    }

    /// A row's nearest points, the nearest first.
    pub fn points(&self, row: usize) -> &[u32] {
        &self.points[row * self.count..][..self.count]
    }

    /// The distances of a row's nearest points.
    pub fn distances(&self, row: usize) -> &[f64] {
        &self.distances[row * self.count..][..self.count]
    }
}

impl Heap<'_> {
    /// A point must be nearer than this to be taken.
    pub(super) fn farthest(&self) -> f64 {
        self.distances[0]
    }

    /// Replaces the farthest point by this one if it is nearer.
    pub(super) fn push(&mut self, distance: f64, point: u32) {
        if distance >= self.distances[0] || distance.is_nan() {
            return;
        }
        let (mut at, end) = (0, self.distances.len());
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            if left >= end {
                break;
            }
            // Of equal children the left one moves up, which decides which of several points at the same distance is replaced
            // first.
            let child = if right < end && self.distances[right] > self.distances[left] { right } else { left };
            if self.distances[child] <= distance {
                break;
            }
            self.distances[at] = self.distances[child];
            self.points[at] = self.points[child];
            at = child;
        }
        self.distances[at] = distance;
        self.points[at] = point;
    }
}
