//! Means and medians of several regressors' answers.

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Frame, Made, Method, Part, View, Work, expect_width, python, validate},
    kernels::block::{Block, Kind},
};

/// How the predictions of the regressors are combined.
pub enum Mean {
    /// The weighted mean.
    Weighted(Vec<f64>),
    /// The weighted median.
    Median(Vec<f64>),
}

struct Average {
    members: Vec<Estimator>,
    /// The columns that each member takes; empty where all of them take all columns.
    columns: Vec<Vec<usize>>,
    mean: Mean,
    frame: Frame,
}

pub fn averaged(view: View<'_>, members: Vec<Estimator>, columns: Vec<Vec<usize>>, mean: Mean, frame: Frame) -> Made<Estimator> {
    let count = match &mean {
        Mean::Weighted(weights) | Mean::Median(weights) => weights.len(),
    };
    let regress = members.iter().all(|member| member.has(Method::Predict) && member.labels().is_empty());
    if members.is_empty() || count != members.len() || !regress {
        return python(format!("{}: its estimators are no regressors here", view.name()));
    }
    Ok(Arc::new(Average { members, columns, mean, frame }))
}

impl Part for Average {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if matches!(self.mean, Mean::Median(_)) {
            // Missing values are refused even if the trees take them. The trees check the number of columns.
            validate("AdaBoostRegressor", input, input.width(), Allow::Finite)?;
        }
        let rows = input.rows();
        let mut all = work.take();
        all.reset(rows, self.members.len(), Kind::Double);
        for (at, member) in self.members.iter().enumerate() {
            let mut made = work.take();
            on_columns(&**member, Method::Predict, self.columns.get(at), input, work, &mut made)?;
            expect_width("the average", &made, 1)?;
            all.copy_column(at, &made, 0);
            work.give(made);
        }
        out.reset(rows, 1, Kind::Double);
        match &self.mean {
            Mean::Weighted(weights) => {
                let total: f64 = weights.iter().sum();
                for row in 0..rows {
                    let sum: f64 = weights.iter().enumerate().map(|(at, weight)| all.at(row, at) * weight).sum();
                    out.column_mut(0)[row] = sum / total;
                }
            }
            Mean::Median(weights) => {
                let mut order: Vec<usize> = (0..self.members.len()).collect();
                for row in 0..rows {
                    order.sort_by(|&a, &b| all.at(row, a).total_cmp(&all.at(row, b)).then(a.cmp(&b)));
                    let total: f64 = order.iter().map(|&at| weights[at]).sum();
                    let mut sum = 0.0;
                    let reached = order.iter().find(|&&at| {
                        sum += weights[at];
                        sum >= 0.5 * total
                    });
                    out.column_mut(0)[row] = all.at(row, reached.copied().unwrap_or(order[0]));
                }
            }
        }
        work.give(all);
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|member| member.memory()).sum()
    }
}

/// Runs an estimator over some of the columns.
pub fn on_columns(
    part: &dyn Part,
    method: Method,
    columns: Option<&Vec<usize>>,
    input: &Block,
    work: &mut Work,
    out: &mut Block,
) -> Result<()> {
    let Some(columns) = columns else { return part.run(method, input, work, out) };
    let last = columns.iter().copied().max().unwrap_or(0);
    if last >= input.width() {
        return expect_width("the bag", input, last + 1);
    }
    let mut chosen = work.take();
    chosen.reset(input.rows(), columns.len(), Kind::Double);
    for (to, &column) in columns.iter().enumerate() {
        chosen.copy_column(to, input, column);
    }
    let made = part.run(method, &chosen, work, out);
    work.give(chosen);
    made
}
