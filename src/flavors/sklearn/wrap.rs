//! Estimators that answer with another one: searches, recursive elimination, transformed targets.

use std::sync::Arc;

use super::{
    common::frame,
    part::{Allow, Frame, Labels, Method, Part, Shared, Work, validate},
    registry::build,
    scale,
    view::{Made, View, python},
};
use crate::{
    error::Result,
    kernels::block::{Block, Kind},
};

/// `GridSearchCV` and the like, which answer as the best estimator does.
pub(super) fn search(view: View<'_>) -> Made<Shared> {
    build(view.get("best_estimator_")?)
}

/// `RANSACRegressor` and `SelfTrainingClassifier`, which answer as the estimator does that was fitted last.
pub(super) fn delegate(view: View<'_>) -> Made<Shared> {
    build(view.find("estimator_").map_or_else(|| view.get("base_estimator_"), Ok)?)
}

/// A classifier of two with a threshold of its own.
struct Threshold {
    inner: Shared,
    method: Method,
    threshold: f64,
}

/// `FixedThresholdClassifier` and `TunedThresholdClassifierCV`, where the second class is the one that counts.
pub(super) fn threshold(view: View<'_>) -> Made<Shared> {
    let inner = build(view.find("estimator_").map_or_else(|| view.get("estimator"), Ok)?)?;
    let method = match view.word("response_method") {
        "auto" if inner.has(Method::Proba) => Method::Proba,
        "auto" => Method::Decision,
        other => Method::from_name(other).unwrap_or(Method::Transform),
    };
    let threshold = match (view.find("best_threshold_"), view.find("threshold")) {
        (Some(threshold), _) => threshold.number(),
        (None, Some(threshold)) if threshold.text() == Some("auto") => Some(if method == Method::Proba { 0.5 } else { 0.0 }),
        (None, threshold) => threshold.and_then(View::number),
    };
    let two = matches!(inner.labels(), [labels] if labels.len() == 2);
    let named = view.find("pos_label").is_some() || view.find("_curve_scorer").is_some_and(names_class);
    match threshold.filter(|_| two && !named && inner.has(method)) {
        Some(threshold) => Ok(Arc::new(Threshold { inner, method, threshold })),
        None => python(format!("{}: a class is named, or its classifier is none of two", view.name())),
    }
}

fn names_class(scorer: View<'_>) -> bool {
    scorer.find("_kwargs").is_some_and(|arguments| arguments.find("pos_label").is_some())
}

impl Part for Threshold {
    fn has(&self, method: Method) -> bool {
        method != Method::Transform && self.inner.has(method)
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if method != Method::Predict {
            return self.inner.run(method, input, work, out);
        }
        work.with(&*self.inner, self.method, input, |_, scores| {
            out.reset(scores.rows(), 1, Kind::Class);
            let second = scores.column(scores.width() - 1);
            out.column_mut(0)
                .iter_mut()
                .zip(second)
                .for_each(|(class, score)| *class = f64::from(u8::from(*score >= self.threshold)));
            Ok(())
        })
    }

    fn labels(&self) -> &[Labels] {
        self.inner.labels()
    }

    fn frame(&self) -> Frame {
        self.inner.frame()
    }

    fn memory(&self) -> usize {
        self.inner.memory()
    }
}

/// An estimator over some of the columns, which are an answer of their own.
struct Eliminated {
    name: String,
    frame: Frame,
    columns: usize,
    chosen: Vec<usize>,
    inner: Shared,
}

/// `RFE` and `RFECV`
pub(super) fn eliminated(view: View<'_>) -> Made<Shared> {
    let mask = view.floats_of("support_")?;
    kept(view, view.get("estimator_")?, mask.into_iter().map(|kept| kept != 0.0).collect())
}

/// `SelectFromModel`, of an estimator with weights.
pub(super) fn from_model(view: View<'_>) -> Made<Shared> {
    let estimator = view.find("estimator_").map_or_else(|| view.get("estimator"), Ok)?;
    if view.find("importance_getter").and_then(View::text).is_some_and(|getter| getter != "auto") {
        return python("SelectFromModel: importances by another name");
    }
    let order = view.float_of("norm_order")?;
    if order != 1.0 || view.find("max_features").is_some() {
        return python("SelectFromModel: another norm, or a greatest number of columns");
    }
    let (weights, _, columns) = estimator.matrix_of("coef_")?;
    let mut scores = vec![0.0; columns];
    for row in weights.chunks_exact(columns.max(1)) {
        scores.iter_mut().zip(row).for_each(|(score, weight)| *score += weight.abs());
    }
    let threshold = match view.find("threshold") {
        Some(threshold) if threshold.number().is_some() => threshold.number(),
        Some(threshold) => (threshold.text() == Some("mean")).then(|| mean(&scores)),
        None if estimator.word("penalty") == "l1" || estimator.name().contains("Lasso") => Some(1e-5),
        None => Some(mean(&scores)),
    };
    let Some(threshold) = threshold else { return python("SelectFromModel: another threshold") };
    kept(view, estimator, scores.into_iter().map(|score| score >= threshold).collect())
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

fn kept(view: View<'_>, estimator: View<'_>, mask: Vec<bool>) -> Made<Shared> {
    let chosen = mask.iter().enumerate().filter(|(_, kept)| **kept).map(|(column, _)| column).collect();
    let inner = build(estimator)?;
    Ok(Arc::new(Eliminated { name: view.name().into(), frame: frame(view), columns: mask.len(), chosen, inner }))
}

impl Part for Eliminated {
    fn has(&self, method: Method) -> bool {
        method == Method::Transform || (self.name != "SelectFromModel" && self.inner.has(method))
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let allow = if self.name == "SelectFromModel" { Allow::Finite } else { Allow::Missing };
        validate(&self.name, input, self.columns, allow)?;
        let mut chosen = work.take();
        let target = if method == Method::Transform { &mut *out } else { &mut chosen };
        target.reset(input.rows(), self.chosen.len(), Kind::Double);
        for (to, &column) in self.chosen.iter().enumerate() {
            target.copy_column(to, input, column);
        }
        let made = match method {
            Method::Transform => Ok(()),
            _ => self.inner.run(method, &chosen, work, out),
        };
        work.give(chosen);
        made
    }

    fn labels(&self) -> &[Labels] {
        self.inner.labels()
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.inner.memory()
    }
}

/// What turns a transformed target back.
enum Back {
    Function(fn(f64, f64) -> f64),
    /// Times the first, plus the second, by output.
    Scale(Vec<f64>, Vec<f64>),
}

struct Target {
    inner: Shared,
    back: Back,
}

/// `TransformedTargetRegressor`
pub(super) fn target(view: View<'_>) -> Made<Shared> {
    let transformer = view.get("transformer_")?;
    let numbers = |name: &str, wanted: bool| transformer.find(name).filter(|_| wanted).map(View::floats).transpose();
    let back = match transformer.name() {
        "FunctionTransformer" => Back::Function(match transformer.find("inverse_func").map(View::class) {
            None => |value, _| value,
            Some(name) => match scale::named_function(name) {
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
                super::part::expect_width("StandardScaler", out, scale.len().min(mean.len()))?;
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
