//! `sklearn.decomposition`

pub mod dictionary;
pub mod kernel_pca;
pub mod latent_dirichlet;
pub mod linear;
