//! `PolynomialFeatures`

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, MAX_WIDTH, Made, Step, Transform, View, Work, python, width},
    kernels::block::{Block, Kind, round},
};

/// Products of columns, by their numbers.
struct Products(Vec<Vec<usize>>);

/// `PolynomialFeatures`
pub fn polynomial(view: View<'_>) -> Made<Estimator> {
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
                if next.len() > MAX_WIDTH {
                    return python(format!("PolynomialFeatures: more than {MAX_WIDTH} products"));
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
