//! `TransformedTargetRegressor`

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Estimator, Frame, Made, Method, Part, View, Work, expect_width, python},
        preprocessing::function::named_function,
        registry::build,
    },
    kernels::block::Block,
};

/// The inverse of the transformation of the target.
enum Back {
    Function(fn(f64, f64) -> f64),
    /// For each output a factor and a number to be added.
    Scale(Vec<f64>, Vec<f64>),
}

struct Target {
    inner: Estimator,
    back: Back,
}

/// `TransformedTargetRegressor`
pub fn target(view: View<'_>) -> Made<Estimator> {
    let transformer = view.get("transformer_")?;
    let numbers = |name: &str, wanted: bool| transformer.find(name).filter(|_| wanted).map(View::floats).transpose();
    let back = match transformer.name() {
        "FunctionTransformer" => Back::Function(match transformer.find("inverse_func").map(View::class) {
            None => |value, _| value,
            Some(name) => match named_function(name) {
                Some(function) => function,
                None => return python(name.to_owned()),
            },
        }),
        "StandardScaler" => {
            let mean = numbers("mean_", transformer.flag("with_mean"))?;
            let scale = numbers("scale_", transformer.flag("with_std"))?;
            let count = transformer.count_of("n_features_in_")?;
            Back::Scale(scale.unwrap_or_else(|| vec![1.0; count]), mean.unwrap_or_else(|| vec![0.0; count]))
        }
        other => return python(format!("TransformedTargetRegressor: {other} is not turned back here")),
    };
    let inner = build(view.get("regressor_")?)?;
    match inner.has(Method::Predict) && inner.labels().is_empty() {
        true => Ok(Arc::new(Target { inner, back })),
        false => python("TransformedTargetRegressor: its regressor is none"),
    }
}

impl Part for Target {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.inner.run(method, input, work, out)?;
        match &self.back {
            Back::Function(function) => out.map(|value| function(value, 0.0)),
            Back::Scale(scale, mean) => {
                expect_width("StandardScaler", out, scale.len().min(mean.len()))?;
                for column in 0..out.width() {
                    out.column_mut(column).iter_mut().for_each(|value| *value = *value * scale[column] + mean[column]);
                }
            }
        }
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.inner.frame()
    }

    fn memory(&self) -> usize {
        self.inner.memory()
    }
}
