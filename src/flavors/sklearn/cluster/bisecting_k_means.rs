//! `BisectingKMeans`: a row goes down a tree of pairs of centres.

use std::sync::Arc;

use super::centres::{Centres, numbers};
use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Frame, Labels, Made, Method, Part, View, Work, frame, python, validate, width},
    kernels::block::{Block, Kind},
};

/// Two centres, and the branch for the rows that are nearer to each.
struct Fork {
    centres: Vec<f64>,
    next: [Branch; 2],
}

#[derive(Clone, Copy)]
enum Branch {
    Fork(usize),
    Label(i64),
}

/// A tree of forks.
struct Bisected {
    centres: Centres,
    forks: Vec<Fork>,
    root: Branch,
}

/// `BisectingKMeans`
pub fn bisected(view: View<'_>) -> Made<Estimator> {
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
