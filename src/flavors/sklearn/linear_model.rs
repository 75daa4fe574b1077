//! `sklearn.linear_model`

use std::sync::Arc;

use crate::{
    flavors::sklearn::base::{
        Allow, Estimator, Made, View, affine, frame, labels,
        linear::{LinearClassifier, Probability, classifier, made, scorer},
        outliers::{Decision, detector},
        python, width,
    },
    kernels::dense::Affine,
};

/// Generalized linear models.
pub fn generalized(view: View<'_>) -> Made<Estimator> {
    let link = match (view.name(), view.word("link")) {
        ("PoissonRegressor" | "GammaRegressor", _) | (_, "log") => true,
        (_, "identity") => false,
        // The link follows from the power of the distribution.
        _ => view.float_of("power")? > 0.0,
    };
    made(view, link)
}

/// `LogisticRegression` and its cross-validated form. Before 1.8 there was a choice between one-vs-rest and multinomial.
pub fn logistic(view: View<'_>) -> Made<Estimator> {
    let two = labels(view)?.len() <= 2;
    let probability = match view.word("multi_class") {
        "ovr" | "warn" => Probability::OneVsRest,
        "multinomial" if two => Probability::SoftmaxOfBoth,
        "multinomial" => Probability::Softmax,
        _ if two || view.word("solver") == "liblinear" => Probability::OneVsRest,
        _ => Probability::Softmax,
    };
    classifier(view, probability)
}

/// `SGDClassifier`, whose loss decides whether there are probabilities.
pub fn stochastic(view: View<'_>) -> Made<Estimator> {
    classifier(
        view,
        match view.word("loss") {
            "log_loss" | "log" => Probability::OneVsRest,
            "modified_huber" => Probability::Clipped,
            _ => Probability::None,
        },
    )
}

/// `RidgeClassifier`. One that was fitted on several labels for each row predicts several and is not scored here.
pub fn ridge(view: View<'_>) -> Made<Estimator> {
    match view.find("_label_binarizer").map(|binarizer| binarizer.word("y_type_")) {
        Some(kind) if kind.starts_with("multilabel") => python("RidgeClassifier: it gives several labels a row"),
        // Its `classes_` are a property that reads those of the binarizer.
        Some(_) => {
            let binarizer = view.get("_label_binarizer")?;
            let (affine, labels) = (affine(view)?, labels(binarizer)?);
            match affine.outputs() == if labels.len() == 2 { 1 } else { labels.len() } {
                true => Ok(Arc::new(LinearClassifier {
                    name: view.name().into(),
                    affine,
                    labels,
                    probability: Probability::None,
                    frame: frame(view),
                })),
                false => python("RidgeClassifier: its scores and classes do not fit together"),
            }
        }
        None => scorer(view),
    }
}

/// `SGDOneClassSVM`
pub fn one_class(view: View<'_>) -> Made<Estimator> {
    match Affine::new(width(view)?, view.floats_of("coef_")?, vec![0.0], view.is_single("coef_")) {
        Some(affine) => detector(view, Allow::Finite, Decision::Linear(affine), 4),
        None => python("SGDOneClassSVM: its weights do not fit its columns"),
    }
}
