//! `BaggingClassifier` and `BaggingRegressor`

use super::average::{Mean, averaged, on_columns};
use crate::{
    error::Result,
    flavors::sklearn::base::{
        Allow, Classifier, Classify, Estimator, Made, Method, View, Work, encoded, frame, labels, members, python, validate,
        width,
    },
    kernels::block::{Block, Kind},
};

/// `BaggingRegressor`
pub fn bagged_regressor(view: View<'_>) -> Made<Estimator> {
    let members = members(view, "estimators_")?;
    let columns = bagged_columns(view, members.len())?;
    let weights = vec![1.0; members.len()];
    // The names and number of columns are its own, as its members take only some of them.
    averaged(view, members, columns, Mean::Weighted(weights), frame(view))
}

/// The columns that each estimator was fitted on.
fn bagged_columns(view: View<'_>, count: usize) -> Made<Vec<Vec<usize>>> {
    let total = width(view)?;
    let columns = |columns: View<'_>| {
        let numbers = columns.floats()?;
        match numbers.iter().all(|&column| column >= 0.0 && column < total as f64) {
            true => Ok(numbers.into_iter().map(|column| column as usize).collect()),
            false => columns.wrong("columns"),
        }
    };
    let columns: Vec<Vec<usize>> = view.get("estimators_features_")?.items().into_iter().map(columns).collect::<Made<_>>()?;
    match columns.len() == count {
        true => Ok(columns),
        false => python(format!("{}: not columns for every estimator", view.name())),
    }
}

struct Bag {
    members: Vec<Estimator>,
    columns: Vec<Vec<usize>>,
    width: usize,
    classes: usize,
}

/// `BaggingClassifier`
pub fn bagged(view: View<'_>) -> Made<Estimator> {
    let members = members(view, "estimators_")?;
    let classes = labels(view)?;
    let columns = bagged_columns(view, members.len())?;
    let all =
        |member: &Estimator| member.has(Method::Proba) && matches!(member.labels(), [labels] if labels.len() == classes.len());
    if members.is_empty() || !encoded(&members, classes.len()) || !members.iter().all(all) {
        return python("BaggingClassifier: its estimators have no probabilities here, or not of every class");
    }
    let bag = Bag { members, columns, width: width(view)?, classes: classes.len() };
    Ok(Classifier::around(view, frame(view), classes, bag))
}

impl Classify for Bag {
    fn probabilities(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        validate("BaggingClassifier", input, self.width, Allow::All)?;
        out.reset_zeros(input.rows(), self.classes, Kind::Double);
        for (member, columns) in self.members.iter().zip(&self.columns) {
            let mut made = work.take();
            on_columns(&**member, Method::Proba, Some(columns), input, work, &mut made)?;
            for class in 0..self.classes {
                out.column_mut(class).iter_mut().zip(made.column(class)).for_each(|(sum, value)| *sum += value);
            }
            work.give(made);
        }
        let count = self.members.len() as f64;
        out.map(|sum| sum / count);
        Ok(())
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|member| member.memory()).sum()
    }
}
