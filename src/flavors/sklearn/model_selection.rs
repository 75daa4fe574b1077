//! `sklearn.model_selection`: searches, and classifiers with a threshold of their own.

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Estimator, Frame, Labels, Made, Method, Part, View, Work, python},
        registry::build,
    },
    kernels::block::{Block, Kind},
};

/// `GridSearchCV` and the like, which answer as the best estimator does.
pub fn search(view: View<'_>) -> Made<Estimator> {
    build(view.get("best_estimator_")?)
}

/// A binary classifier with another decision threshold.
struct Threshold {
    inner: Estimator,
    method: Method,
    threshold: f64,
}

/// `FixedThresholdClassifier` and `TunedThresholdClassifierCV`, where the second class is the positive one.
pub fn threshold(view: View<'_>) -> Made<Estimator> {
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
