//! `sklearn.covariance`

use crate::flavors::sklearn::base::{
    Allow, Estimator, Made, View,
    outliers::{Decision, detector},
    python, width,
};

/// `EllipticEnvelope`
pub fn elliptic(view: View<'_>) -> Made<Estimator> {
    let (place, precision) = (view.floats_of("location_")?, view.floats_of("precision_")?);
    match place.len() == width(view)? && precision.len() == place.len() * place.len() {
        true => detector(view, Allow::Finite, Decision::Distance { place, precision }, 8),
        false => python("EllipticEnvelope: its attributes do not fit together"),
    }
}
