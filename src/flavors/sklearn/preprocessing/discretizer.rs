//! `KBinsDiscretizer`

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, MAX_WIDTH, Made, Step, Transform, View, Work, python, width},
    kernels::block::Block,
};

/// The bin of each value, as a number or as a column of its own.
struct Bins {
    /// The edges between the bins of each column.
    edges: Vec<Vec<f64>>,
    one_hot: bool,
}

/// `KBinsDiscretizer`
pub fn bins(view: View<'_>) -> Made<Estimator> {
    if view.version() < (1, 3) {
        return python("KBinsDiscretizer: of a version before 1.3");
    }
    let inner = |edges: View<'_>| {
        let edges = edges.floats()?;
        Ok(edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default().to_vec())
    };
    let edges = view.get("bin_edges_")?.items().into_iter().map(inner).collect::<Made<Vec<Vec<f64>>>>()?;
    if edges.iter().map(|edges| edges.len() + 1).sum::<usize>() > MAX_WIDTH {
        return python(format!("KBinsDiscretizer: more than {MAX_WIDTH} bins"));
    }
    match edges.len() == width(view)? && edges.iter().all(|edges| edges.is_sorted()) {
        true => Step::shared(view, Some(Allow::Finite), Bins { edges, one_hot: view.word("encode") != "ordinal" }),
        false => python("KBinsDiscretizer: not edges for every column"),
    }
}

impl Transform for Bins {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        let bin = |column: usize, value: f64| self.edges[column].partition_point(|&edge| edge <= value);
        if !self.one_hot {
            out.reset(input.rows(), self.edges.len(), input.kind().float());
            for column in 0..self.edges.len() {
                let values = out.column_mut(column).iter_mut().zip(input.column(column));
                values.for_each(|(out, &value)| *out = bin(column, value) as f64);
            }
            return Ok(());
        }
        let outputs = self.edges.iter().map(|edges| edges.len() + 1).sum();
        out.reset_zeros(input.rows(), outputs, input.kind().float());
        let mut first = 0;
        for (column, edges) in self.edges.iter().enumerate() {
            for (row, &value) in input.column(column).iter().enumerate() {
                out.column_mut(first + bin(column, value))[row] = 1.0;
            }
            first += edges.len() + 1;
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.edges.iter().map(|edges| edges.len() * 8).sum()
    }
}
