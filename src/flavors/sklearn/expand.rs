//! Transformers that make more columns of each: polynomials and bins.

use super::{
    common::{Step, Transform, width},
    part::{Allow, Shared, Work},
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::block::{Block, Kind, round},
};

/// How many columns may be made: a block holds them all.
const MAX_OUTPUTS: usize = 1 << 14;

/// Products of columns, by their numbers.
struct Products(Vec<Vec<usize>>);

/// `PolynomialFeatures`
pub(super) fn polynomial(view: View<'_>) -> Made<Shared> {
    let columns = width(view)?;
    let (least, most) = match (view.find("_min_degree"), view.find("_max_degree")) {
        (Some(_), Some(_)) => (view.count_of("_min_degree")?, view.count_of("_max_degree")?),
        _ => (0, view.count_of("degree")?),
    };
    let once = view.flag("interaction_only");
    let mut products = if view.flag("include_bias") { vec![Vec::new()] } else { Vec::new() };
    let mut level: Vec<Vec<usize>> = vec![Vec::new()];
    for degree in 1..=most {
        let mut next = Vec::new();
        for product in &level {
            let first = product.last().map_or(0, |&last| last + usize::from(once));
            for column in first..columns {
                next.push(product.iter().copied().chain([column]).collect::<Vec<usize>>());
                if next.len() > MAX_OUTPUTS {
                    return python(format!("PolynomialFeatures: more than {MAX_OUTPUTS} products"));
                }
            }
        }
        if degree >= least {
            products.extend(next.iter().cloned());
        }
        level = next;
    }
    Step::shared(view, Some(Allow::Finite), Products(products))
}

impl Transform for Products {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        let kind = input.kind().float();
        out.reset(input.rows(), self.0.len(), kind);
        for (to, product) in self.0.iter().enumerate() {
            let values = out.column_mut(to);
            values.fill(1.0);
            for &column in product {
                values.iter_mut().zip(input.column(column)).for_each(|(value, factor)| *value *= factor);
                if kind == Kind::Single {
                    round(values);
                }
            }
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        self.0.iter().map(|product| product.len() * 8).sum()
    }
}

/// The bin of each value, as a number or as a column of its own.
struct Bins {
    /// The edges between the bins of each column.
    edges: Vec<Vec<f64>>,
    one_hot: bool,
}

/// `KBinsDiscretizer`
pub(super) fn bins(view: View<'_>) -> Made<Shared> {
    if view.version() < (1, 3) {
        return python("KBinsDiscretizer: of a version before 1.3");
    }
    let inner = |edges: View<'_>| {
        let edges = edges.floats()?;
        Ok(edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default().to_vec())
    };
    let edges = view.get("bin_edges_")?.items().into_iter().map(inner).collect::<Made<Vec<Vec<f64>>>>()?;
    if edges.iter().map(|edges| edges.len() + 1).sum::<usize>() > MAX_OUTPUTS {
        return python(format!("KBinsDiscretizer: more than {MAX_OUTPUTS} bins"));
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
