//! Clusters by their nearest centre: `KMeans`, `MiniBatchKMeans`, `MeanShift`, `AffinityPropagation` and `Birch`.

use std::{slice, sync::Arc};

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Frame, Labels, Made, Method, Part, View, Work, frame, python, validate, width},
    kernels::block::{Block, Kind},
};

/// Centres and their labels.
pub struct Centres {
    pub name: String,
    pub frame: Frame,
    pub columns: usize,
    /// The centres, one after another.
    pub values: Vec<f64>,
    pub labels: Labels,
    /// Whether there is a `transform`, which gives the distances.
    pub transforms: bool,
}

fn made(view: View<'_>, attribute: &str, labels: impl FnOnce(usize) -> Labels, transforms: bool) -> Made<Estimator> {
    let (values, count, columns) = view.matrix_of(attribute)?;
    let labels = labels(count);
    if columns != width(view)? || labels.len() != count || count == 0 {
        return python(format!("{}: its centres do not fit its columns", view.name()));
    }
    Ok(Arc::new(Centres { name: view.name().into(), frame: frame(view), columns, values, labels, transforms }))
}

pub fn numbers(bytes: usize) -> impl FnOnce(usize) -> Labels {
    move |count| Labels::Ints { values: (0..count as i64).collect(), bytes }
}

/// `KMeans` and `MiniBatchKMeans`, whose numbers are of 32 bits.
pub fn k_means(view: View<'_>) -> Made<Estimator> {
    made(view, "cluster_centers_", numbers(4), true)
}

/// `MeanShift` and `AffinityPropagation`
pub fn nearest(view: View<'_>) -> Made<Estimator> {
    if view.word("affinity") == "precomputed" {
        return python("AffinityPropagation: of affinities made before");
    }
    made(view, "cluster_centers_", numbers(8), false)
}

/// `Birch`, with the labels of its subclusters.
pub fn birch(view: View<'_>) -> Made<Estimator> {
    let labels = Labels::read(view.get("subcluster_labels_")?)?;
    made(view, "subcluster_centers_", |_| labels, true)
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
