//! `sklearn.neural_network`

pub mod perceptron;
pub mod rbm;
