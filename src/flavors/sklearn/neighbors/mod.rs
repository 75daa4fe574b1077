//! `sklearn.neighbors`

pub mod local_outlier_factor;
pub mod nearest;
pub mod nearest_centroid;
