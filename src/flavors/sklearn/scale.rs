//! Scalers and other transformers that look at one value, or one row, at a time.

use super::{
    common::{Step, Transform, width},
    part::{Allow, Shared, Work},
    view::{Made, View, python},
};
use crate::{
    error::Result,
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

fn scaler(view: View<'_>, operations: Vec<Option<Operation>>) -> Made<Shared> {
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
pub(super) fn standard(view: View<'_>) -> Made<Shared> {
    let mean = numbers(view, "mean_", view.flag("with_mean"))?.map(Operation::Subtract);
    let scale = numbers(view, "scale_", view.flag("with_std"))?.map(Operation::Divide);
    scaler(view, vec![mean, scale])
}

/// `MinMaxScaler`
pub(super) fn min_max(view: View<'_>) -> Made<Shared> {
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
pub(super) fn max_abs(view: View<'_>) -> Made<Shared> {
    let clip = view.flag("clip").then_some(Operation::Clip(-1.0, 1.0));
    scaler(view, vec![Some(Operation::Divide(view.floats_of("scale_")?)), clip])
}

/// `RobustScaler`
pub(super) fn robust(view: View<'_>) -> Made<Shared> {
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

/// What `Normalizer` divides a row by.
#[derive(Clone, Copy)]
enum Norm {
    Sum,
    Euclidean,
    Greatest,
}

struct Normalizer(Norm);

/// `Normalizer`
pub(super) fn normalizer(view: View<'_>) -> Made<Shared> {
    let norm = match view.word("norm") {
        "l1" => Norm::Sum,
        "l2" => Norm::Euclidean,
        "max" => Norm::Greatest,
        other => return python(format!("Normalizer: norm '{other}'")),
    };
    Step::shared(view, Some(Allow::Finite), Normalizer(norm))
}

impl Transform for Normalizer {
    fn transform(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        out.reset(input.rows(), input.width(), input.kind().float());
        let norms = &mut work.numbers;
        norms.clear();
        norms.resize(input.rows(), 0.0);
        for column in input.columns() {
            for (norm, value) in norms.iter_mut().zip(column) {
                match self.0 {
                    Norm::Sum => *norm += value.abs(),
                    Norm::Euclidean => *norm += value * value,
                    Norm::Greatest => *norm = norm.max(value.abs()),
                }
            }
        }
        for norm in norms.iter_mut() {
            *norm = if matches!(self.0, Norm::Euclidean) { norm.sqrt() } else { *norm };
            if *norm == 0.0 {
                *norm = 1.0;
            }
        }
        for column in 0..input.width() {
            let values = input.column(column).iter().zip(norms.iter());
            out.column_mut(column).iter_mut().zip(values).for_each(|(out, (value, norm))| *out = value / norm);
            if out.kinds()[column] == Kind::Single {
                round(out.column_mut(column));
            }
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        0
    }
}

/// A function of one value.
struct Function {
    apply: fn(f64, f64) -> f64,
    number: f64,
}

/// `Binarizer`
pub(super) fn binarizer(view: View<'_>) -> Made<Shared> {
    let number = view.float_of("threshold")?;
    Step::shared(view, Some(Allow::Finite), Function { apply: |value, threshold| f64::from(u8::from(value > threshold)), number })
}

/// A function of numpy's by its name.
type Named = (&'static str, fn(f64, f64) -> f64);

/// Functions of numpy's that a transformer may be made of.
const FUNCTIONS: &[Named] = &[
    ("numpy.abs", |value, _| value.abs()),
    ("numpy.absolute", |value, _| value.abs()),
    ("numpy.exp", |value, _| value.exp()),
    ("numpy.expm1", |value, _| value.exp_m1()),
    ("numpy.log", |value, _| value.ln()),
    ("numpy.log10", |value, _| value.log10()),
    ("numpy.log1p", |value, _| value.ln_1p()),
    ("numpy.log2", |value, _| value.log2()),
    ("numpy.sqrt", |value, _| value.sqrt()),
    ("numpy.square", |value, _| value * value),
];

/// Whether a function is one of them.
pub(super) fn is_function(name: &str) -> bool {
    named_function(name).is_some()
}

/// A function of numpy's by its name.
pub(super) fn named_function(name: &str) -> Option<fn(f64, f64) -> f64> {
    FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
}

/// `FunctionTransformer`, of nothing or of a function of numpy's.
pub(super) fn function(view: View<'_>) -> Made<Shared> {
    // HistGradientBoosting checks its columns in this way.
    let checks = |func: &View<'_>| {
        let called = func.args().first().copied();
        func.class() == "functools.partial" && called.is_some_and(|called| called.name() == "check_array")
    };
    let func = view.find("func").filter(|func| !checks(func));
    let apply: fn(f64, f64) -> f64 = match func.map(View::class) {
        None => |value, _| value,
        Some(_) if view.find("kw_args").is_some_and(|kw_args| !kw_args.pairs().is_empty()) => {
            return python("FunctionTransformer: its function has arguments");
        }
        Some(name) => match named_function(name) {
            Some(function) => function,
            None => return python(name.to_owned()),
        },
    };
    let identity = func.is_none();
    let allow = match (identity, view.flag("validate")) {
        (true, false) => None,
        (false, false) => Some(Allow::All),
        (_, true) => Some(Allow::Finite),
    };
    Step::shared(view, allow, Function { apply, number: 0.0 })
}

impl Transform for Function {
    fn transform(&self, input: &Block, _: &mut Work, out: &mut Block) -> Result<()> {
        out.reset(input.rows(), input.width(), Kind::Double);
        out.copy(0, input);
        for column in 0..input.width() {
            if matches!(input.kinds()[column], Kind::Bool | Kind::Short | Kind::Int) {
                out.set_kind(column, Kind::Double);
            }
        }
        out.map(|value| (self.apply)(value, self.number));
        Ok(())
    }

    fn memory(&self) -> usize {
        0
    }
}
