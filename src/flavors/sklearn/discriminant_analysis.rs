//! `sklearn.discriminant_analysis`

use crate::flavors::sklearn::base::{
    Allow, Classifier, Estimator, Made, View,
    discriminant::Discriminant,
    labels,
    linear::{Probability, classifier},
    normals::{Normals, map},
    python, width,
};

/// `QuadraticDiscriminantAnalysis`
pub fn quadratic(view: View<'_>) -> Made<Estimator> {
    let (means, classes, columns) = view.matrix_of("means_")?;
    let (rotations, scalings) = (view.get("rotations_")?.items(), view.get("scalings_")?.items());
    let priors = view.floats_of("priors_")?;
    let unfit = || python("QuadraticDiscriminantAnalysis: its attributes do not fit together");
    if [rotations.len(), scalings.len(), priors.len(), labels(view)?.len()] != [classes; 4] || columns != width(view)? {
        return unfit();
    }
    let mut normals = Normals { maps: Vec::new(), constants: Vec::new() };
    for class in 0..classes {
        let scaling = scalings[class].floats()?;
        let mut matrix = rotations[class].floats()?;
        if matrix.len() != columns * scaling.len() {
            return unfit();
        }
        for row in matrix.chunks_exact_mut(scaling.len().max(1)) {
            row.iter_mut().zip(&scaling).for_each(|(value, scale)| *value *= scale.powf(-0.5));
        }
        let Some(map) = map(&means[class * columns..][..columns], &matrix, scaling.len()) else { return unfit() };
        normals.maps.push(map);
        let logs: f64 = scaling.iter().map(|scale| scale.ln()).sum();
        normals.constants.push(-0.5 * logs + priors[class].ln());
    }
    Classifier::shared(view, Allow::Finite, Discriminant(normals))
}

/// `LinearDiscriminantAnalysis`.
pub fn linear(view: View<'_>) -> Made<Estimator> {
    let two = labels(view)?.len() == 2;
    classifier(view, if two { Probability::OneVsRest } else { Probability::Softmax })
}
