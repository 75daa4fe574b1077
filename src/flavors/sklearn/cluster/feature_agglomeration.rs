//! `FeatureAgglomeration`: means of groups of columns.

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Made, Step, Transform, View, Work, python, width},
    kernels::block::{Block, Kind},
};

/// Means of groups of columns.
struct Groups {
    groups: Vec<usize>,
    sizes: Vec<f64>,
}

/// `FeatureAgglomeration`
pub fn groups(view: View<'_>) -> Made<Estimator> {
    if view.find("pooling_func").map(View::class) != Some("numpy.mean") {
        return python("FeatureAgglomeration: another function than the mean");
    }
    let groups: Vec<usize> = view.floats_of("labels_")?.into_iter().map(|group| group as usize).collect();
    let count = groups.iter().copied().max().map_or(0, |last| last + 1);
    if groups.len() != width(view)? || count > groups.len() {
        return python("FeatureAgglomeration: not a group for every column");
    }
    let mut sizes = vec![0.0; count];
    groups.iter().for_each(|&group| sizes[group] += 1.0);
    Step::shared(view, Some(Allow::Finite), Groups { groups, sizes })
}

impl Transform for Groups {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        out.reset_zeros(input.rows(), self.sizes.len(), Kind::Double);
        for (column, &group) in self.groups.iter().enumerate() {
            out.column_mut(group).iter_mut().zip(input.column(column)).for_each(|(sum, value)| *sum += value);
        }
        for (group, size) in self.sizes.iter().enumerate() {
            out.column_mut(group).iter_mut().for_each(|sum| *sum /= size);
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.groups.len() * 16
    }
}
