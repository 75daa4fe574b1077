//! `FunctionTransformer` and `Binarizer`

use crate::{
    error::Result,
    flavors::sklearn::base::{Allow, Estimator, Made, Step, Transform, View, Work, python},
    kernels::block::{Block, Kind},
};

/// A function of one value.
struct Function {
    apply: fn(f64, f64) -> f64,
    number: f64,
}

/// `Binarizer`
pub fn binarizer(view: View<'_>) -> Made<Estimator> {
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
pub fn is_function(name: &str) -> bool {
    named_function(name).is_some()
}

/// A function of numpy's by its name.
pub fn named_function(name: &str) -> Option<fn(f64, f64) -> f64> {
    FUNCTIONS.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
}

/// `FunctionTransformer`, of nothing or of a function of numpy's.
pub fn function(view: View<'_>) -> Made<Estimator> {
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
