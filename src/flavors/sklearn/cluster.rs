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

/// `Birch`, by the names of its subclusters.
pub(super) fn birch(view: View<'_>) -> Made<Shared> {
    let labels = Labels::read(view.get("subcluster_labels_")?)?;
    made(view, "subcluster_centers_", |_| labels, true)
}

/// Two centres, and where the rows nearer to each go on.
struct Fork {
    centres: Vec<f64>,
    next: [Branch; 2],
}

#[derive(Clone, Copy)]
enum Branch {
    Fork(usize),
    Label(i64),
}

/// `BisectingKMeans`: forks one after another.
struct Bisected {
    centres: Centres,
    forks: Vec<Fork>,
    root: Branch,
}

/// `BisectingKMeans`
pub(super) fn bisected(view: View<'_>) -> Made<Shared> {
    let (values, count, columns) = view.matrix_of("cluster_centers_")?;
    let mean = match view.find("_X_mean") {
        Some(mean) => mean.floats()?,
        None => vec![0.0; columns],
    };
    if columns != width(view)? || mean.len() != columns || columns == 0 {
        return python("BisectingKMeans: its centres do not fit its columns");
    }
    let (mut forks, mut open) = (Vec::new(), vec![(view.get("_bisecting_tree")?, None)]);
    let mut root = Branch::Label(0);
    while let Some((node, place)) = open.pop() {
        let branch = match (node.find("left"), node.find("right")) {
            (Some(left), Some(right)) => {
                let mut centres = [left.floats_of("center")?, right.floats_of("center")?].concat();
                if centres.len() != 2 * columns || forks.len() >= count {
                    return python("BisectingKMeans: its tree does not fit its centres");
                }
                centres
                    .chunks_exact_mut(columns)
                    .for_each(|row| row.iter_mut().zip(&mean).for_each(|(place, mean)| *place += mean));
                let at = forks.len();
                forks.push(Fork { centres, next: [Branch::Label(0); 2] });
                open.extend([(left, Some((at, 0))), (right, Some((at, 1)))]);
                Branch::Fork(at)
            }
            _ => match node.get("label")?.int().filter(|label| (0..count as i64).contains(label)) {
                Some(label) => Branch::Label(label),
                None => return node.wrong("a cluster with a number"),
            },
        };
        match place {
            Some((at, side)) => forks[at].next[side] = branch,
            None => root = branch,
        }
    }
    let labels = numbers(4)(count);
    let centres = Centres { name: view.name().into(), frame: frame(view), columns, values, labels, transforms: true };
    Ok(Arc::new(Bisected { centres, forks, root }))
}

impl Part for Bisected {
    fn has(&self, method: Method) -> bool {
        self.centres.has(method)
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if method == Method::Transform {
            return self.centres.run(method, input, work, out);
        }
        let columns = self.centres.columns;
        validate(&self.centres.name, input, columns, Allow::Finite)?;
        out.reset(input.rows(), 1, Kind::Class);
        for (row, class) in out.column_mut(0).iter_mut().enumerate() {
            let mut branch = self.root;
            while let Branch::Fork(at) = branch {
                let fork = &self.forks[at];
                let distance = |centre: &[f64]| {
                    let square = |(column, centre): (usize, &f64)| (input.at(row, column) - centre).powi(2);
                    centre.iter().enumerate().map(square).sum::<f64>()
                };
                let (left, right) = fork.centres.split_at(columns);
                branch = fork.next[usize::from(distance(right) < distance(left))];
            }
            if let Branch::Label(label) = branch {
                *class = label as f64;
            }
        }
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        self.centres.labels()
    }

    fn frame(&self) -> Frame {
        self.centres.frame()
    }

    fn memory(&self) -> usize {
        self.centres.memory() + self.forks.len() * self.centres.columns * 16
    }
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
