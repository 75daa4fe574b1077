//! Clusters and classes by their nearest centre.

use std::{slice, sync::Arc};

use super::{
    common::{frame, width},
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, validate},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::block::{Block, Kind},
};

/// Centres, and what each is called.
struct Centres {
    name: String,
    frame: Frame,
    columns: usize,
    /// Centre by centre.
    values: Vec<f64>,
    labels: Labels,
    /// The distances are an answer of their own.
    transforms: bool,
}

fn made(view: View<'_>, attribute: &str, labels: impl FnOnce(usize) -> Labels, transforms: bool) -> Made<Shared> {
    let (values, count, columns) = view.matrix_of(attribute)?;
    let labels = labels(count);
    if columns != width(view)? || labels.len() != count || count == 0 {
        return python(format!("{}: its centres do not fit its columns", view.name()));
    }
    Ok(Arc::new(Centres { name: view.name().into(), frame: frame(view), columns, values, labels, transforms }))
}

fn numbers(bytes: usize) -> impl FnOnce(usize) -> Labels {
    move |count| Labels::Ints { values: (0..count as i64).collect(), bytes }
}

/// `KMeans` and `MiniBatchKMeans`, whose numbers are of 32 bits.
pub(super) fn k_means(view: View<'_>) -> Made<Shared> {
    made(view, "cluster_centers_", numbers(4), true)
}

/// `MeanShift` and `AffinityPropagation`
pub(super) fn nearest(view: View<'_>) -> Made<Shared> {
    if view.word("affinity") == "precomputed" {
        return python("AffinityPropagation: of affinities made before");
    }
    made(view, "cluster_centers_", numbers(8), false)
}

impl Centres {
    fn distances(&self, input: &Block, out: &mut Block) {
        let count = self.labels.len();
        out.reset(input.rows(), count, input.kind().float());
        for centre in 0..count {
            let sums = out.column_mut(centre);
            sums.fill(0.0);
            for (column, centre) in self.values[centre * self.columns..][..self.columns].iter().enumerate() {
                for (sum, value) in sums.iter_mut().zip(input.column(column)) {
                    *sum += (value - centre) * (value - centre);
                }
            }
        }
    }
}

impl Part for Centres {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict || (method == Method::Transform && self.transforms)
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate(&self.name, input, self.columns, Allow::Finite)?;
        if method == Method::Transform {
            self.distances(input, out);
            out.map(f64::sqrt);
            return Ok(());
        }
        let mut distances = work.take();
        self.distances(input, &mut distances);
        out.reset(input.rows(), 1, Kind::Class);
        out.column_mut(0).fill(0.0);
        for centre in 1..distances.width() {
            for row in 0..distances.rows() {
                let best = out.at(row, 0) as usize;
                if distances.at(row, centre) < distances.at(row, best) {
                    out.column_mut(0)[row] = centre as f64;
                }
            }
        }
        work.give(distances);
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        slice::from_ref(&self.labels)
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.values.len() * 8
    }
}
