//! Scalers.

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Made, Step, Transform, View, Work, python, width},
    kernels::block::{Block, Kind, round},
};

/// One operation on every value, with a number for each column.
enum Operation {
    Subtract(Vec<f64>),
    Divide(Vec<f64>),
    Multiply(Vec<f64>),
    Add(Vec<f64>),
    Clip(f64, f64),
}

/// Operations one after another, each rounded as numpy rounds it.
struct Scaler(Vec<Operation>);

fn scaler(view: View<'_>, operations: Vec<Option<Operation>>) -> Made<Estimator> {
    let operations: Vec<Operation> = operations.into_iter().flatten().collect();
    let width = width(view)?;
    let fits = operations.iter().all(|operation| match operation {
        Operation::Subtract(numbers) | Operation::Divide(numbers) | Operation::Multiply(numbers) | Operation::Add(numbers) => {
            numbers.len() == width
        }
        Operation::Clip(..) => true,
    });
    match fits {
        true => Step::shared(view, Some(Allow::Missing), Scaler(operations)),
        false => python(format!("{}: not a number for every column", view.name())),
    }
}

/// An attribute's numbers, unless it is `None` or an option that is off.
fn numbers(view: View<'_>, name: &str, wanted: bool) -> Made<Option<Vec<f64>>> {
    view.find(name).filter(|_| wanted).map(View::floats).transpose()
}

/// `StandardScaler`
pub fn standard(view: View<'_>) -> Made<Estimator> {
    let mean = numbers(view, "mean_", view.flag("with_mean"))?.map(Operation::Subtract);
    let scale = numbers(view, "scale_", view.flag("with_std"))?.map(Operation::Divide);
    scaler(view, vec![mean, scale])
}

/// `MinMaxScaler`
pub fn min_max(view: View<'_>) -> Made<Estimator> {
    let clip = match view.flag("clip") {
        true => match view.get("feature_range")?.floats()?[..] {
            [low, high] if low <= high => Some(Operation::Clip(low, high)),
            _ => return python("MinMaxScaler: its feature_range is no range"),
        },
        false => None,
    };
    let (scale, min) = (view.floats_of("scale_")?, view.floats_of("min_")?);
    scaler(view, vec![Some(Operation::Multiply(scale)), Some(Operation::Add(min)), clip])
}

/// `MaxAbsScaler`
pub fn max_abs(view: View<'_>) -> Made<Estimator> {
    let clip = view.flag("clip").then_some(Operation::Clip(-1.0, 1.0));
    scaler(view, vec![Some(Operation::Divide(view.floats_of("scale_")?)), clip])
}

/// `RobustScaler`
pub fn robust(view: View<'_>) -> Made<Estimator> {
    let center = numbers(view, "center_", view.flag("with_centering"))?.map(Operation::Subtract);
    let scale = numbers(view, "scale_", view.flag("with_scaling"))?.map(Operation::Divide);
    scaler(view, vec![center, scale])
}

impl Transform for Scaler {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        let kind = input.kind().float();
        out.reset(input.rows(), input.width(), kind);
        let single = |number: f64| if kind == Kind::Single { f64::from(number as f32) } else { number };
        for column in 0..input.width() {
            let values = out.column_mut(column);
            values.copy_from_slice(input.column(column));
            for operation in &self.0 {
                macro_rules! each {
                    ($numbers:ident, $operator:tt) => {{
                        let number = single($numbers[column]);
                        values.iter_mut().for_each(|value| *value $operator number);
                    }};
                }
                match operation {
                    Operation::Subtract(numbers) => each!(numbers, -=),
                    Operation::Divide(numbers) => each!(numbers, /=),
                    Operation::Multiply(numbers) => each!(numbers, *=),
                    Operation::Add(numbers) => each!(numbers, +=),
                    Operation::Clip(low, high) => {
                        // Not `clamp`: it must let NaN through, which it does, and accept equal ends, which it does too.
                        values.iter_mut().for_each(|value| *value = value.clamp(single(*low), single(*high)));
                    }
                }
                if kind == Kind::Single {
                    round(values);
                }
            }
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        let numbers = |operation: &Operation| match operation {
            Operation::Subtract(numbers)
            | Operation::Divide(numbers)
            | Operation::Multiply(numbers)
            | Operation::Add(numbers) => numbers.len() * 8,
            Operation::Clip(..) => 16,
        };
        self.0.iter().map(numbers).sum()
    }
}
