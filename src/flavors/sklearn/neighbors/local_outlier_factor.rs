//! `LocalOutlierFactor`: rows whose surroundings are less dense than those of their neighbors.

use std::{slice, sync::Arc};

use super::nearest::fitted;
use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Estimator, Frame, Labels, Made, Method, Part, View, Work, frame, outliers::classify, python, validate,
    },
    kernels::{
        block::{Block, Kind},
        neighbors::Neighbors,
    },
};

struct Local {
    frame: Frame,
    neighbors: Neighbors,
    count: usize,
    /// For each row it was fitted on the distance to its farthest neighbor.
    reaches: Vec<f64>,
    /// The local reachability density of each of these rows.
    densities: Vec<f64>,
    offset: f64,
    labels: Labels,
}

/// `LocalOutlierFactor` with `novelty=True`.
pub fn factor(view: View<'_>) -> Made<Estimator> {
    if !view.flag("novelty") {
        return python("LocalOutlierFactor: made for its own rows alone");
    }
    let (neighbors, count) = (fitted(view)?, view.count_of("n_neighbors_")?);
    let (distances, rows, columns) = view.matrix_of("_distances_fit_X_")?;
    let densities = view.floats_of("_lrd")?;
    if view.is_single("_distances_fit_X_") || view.is_single("_lrd") {
        return python("LocalOutlierFactor: fitted in single precision");
    }
    let points = neighbors.count();
    if [rows, densities.len()] != [points; 2] || !(1..=columns.min(points)).contains(&count) {
        return python("LocalOutlierFactor: its attributes do not fit together");
    }
    let reaches = distances.chunks_exact(columns).map(|row| row[count - 1]).collect();
    let labels = Labels::Ints { values: vec![-1, 1], bytes: 8 };
    let offset = view.float_of("offset_")?;
    Ok(Arc::new(Local { frame: frame(view), neighbors, count, reaches, densities, offset, labels }))
}

impl Part for Local {
    fn has(&self, method: Method) -> bool {
        matches!(method, Method::Predict | Method::Decision)
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate("LocalOutlierFactor", input, self.neighbors.columns(), Allow::Finite)?;
        let found = &mut work.nearest;
        self.neighbors.nearest(input, self.count, &mut work.numbers, found);
        out.reset(input.rows(), 1, Kind::Double);
        let count = self.count as f64;
        // For rows in single precision the library also rounds the distances.
        let single = input.kind() == Kind::Single;
        for (row, score) in out.column_mut(0).iter_mut().enumerate() {
            let points = || found.points(row).iter().map(|&point| point as usize);
            let near = |&distance: &f64| if single { f64::from(distance as f32) } else { distance };
            let reached = found.distances(row).iter().map(near).zip(points()).map(|(near, point)| near.max(self.reaches[point]));
            // The library adds this number, so that the density of identical rows is not infinite.
            let density = 1.0 / (reached.sum::<f64>() / count + 1e-10);
            *score = -(points().map(|point| self.densities[point] / density).sum::<f64>() / count) - self.offset;
        }
        if method == Method::Predict {
            classify(out);
        }
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        slice::from_ref(&self.labels)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.neighbors.memory() + (self.reaches.len() + self.densities.len()) * 8
    }
}
