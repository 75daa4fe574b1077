//! Estimators that hold other estimators: reading them, and answering as one of them does.

use super::{Estimator, Frame, Made, Method, Part, View, Work, frame};
use crate::{
    error::Result,
    flavors::sklearn::registry::build,
    kernels::block::{Block, Kind},
};

/// The estimators in an attribute that is a list.
pub fn members(view: View<'_>, name: &str) -> Made<Vec<Estimator>> {
    view.get(name)?.items().into_iter().map(build).collect()
}

/// The columns of an estimator that leaves checking them to its members.
pub fn frame_of(view: View<'_>, members: &[Estimator]) -> Frame {
    let own = frame(view);
    match members.first() {
        Some(first) if own.count.is_none() || own.names.is_none() => first.frame(),
        Some(first) => Frame { needed: first.frame().needed, ..own },
        None => own,
    }
}

/// The answer of `predict` as numbers: for classes their names, which must be numbers.
pub fn numbers(part: &dyn Part, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
    part.run(Method::Predict, input, work, out)?;
    if let (Some(labels), Kind::Class) = (part.labels().first(), out.kind()) {
        for column in 0..out.width() {
            out.set_kind(column, Kind::Double);
            for value in out.column_mut(column) {
                *value = labels.number(*value as usize);
            }
        }
    }
    Ok(())
}

/// Whether the classes of the members are the whole numbers from zero that a label encoder gives.
pub fn encoded(members: &[Estimator], classes: usize) -> bool {
    members.iter().all(|member| match member.labels() {
        [labels] => {
            (0..labels.len()).all(|at| labels.number(at) == labels.number(at).trunc() && labels.number(at) < classes as f64)
        }
        _ => false,
    })
}

/// `RANSACRegressor` and `SelfTrainingClassifier`, which answer as the estimator that was fitted last.
pub fn delegate(view: View<'_>) -> Made<Estimator> {
    build(view.find("estimator_").map_or_else(|| view.get("base_estimator_"), Ok)?)
}
