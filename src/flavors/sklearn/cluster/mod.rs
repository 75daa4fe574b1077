//! `sklearn.cluster`

pub mod bisecting_k_means;
pub mod centres;
pub mod feature_agglomeration;
