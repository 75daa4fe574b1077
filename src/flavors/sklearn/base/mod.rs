//! What estimators of several packages are made of: the trait [`Part`] and its adapters, the reading of fitted attributes, the
//! checks of input, and the kinds of model that more than one package has.

mod attributes;
mod classifier;
pub mod discriminant;
pub mod kernel_machine;
pub mod linear;
mod members;
pub mod normals;
pub mod outliers;
mod part;
pub mod projection;
mod transformer;
mod validate;
mod view;

pub use attributes::{affine, frame, labels, width};
pub use classifier::{Classifier, Classify, logarithm};
pub use members::{delegate, encoded, frame_of, members, numbers};
pub use part::{Estimator, Frame, MAX_WIDTH, Method, Part, Work, has_logarithms};
pub use transformer::{Step, Transform};
pub use validate::{Allow, expect_width, in_column, out_of_range, refused, validate, validate_single};
pub use view::{Loader, NONE, Symbols, UNKNOWN, View, is_none};

pub use crate::flavors::common::{
    labels::Labels,
    obstacle::{Made, python},
};
