//! `sklearn.multioutput`: one estimator an output.

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::base::{
        Estimator, Frame, Labels, Made, Method, Part, View, Work, expect_width, frame, frame_of, members, python,
    },
    kernels::block::{Block, Kind},
};

/// One estimator an output.
struct Outputs {
    members: Vec<Estimator>,
    /// For a chain, in which each estimator also takes the answers of those before it: the output that each one predicts.
    chain: Option<Vec<usize>>,
    labels: Vec<Labels>,
    frame: Frame,
}

/// `MultiOutputRegressor` and `MultiOutputClassifier`
pub fn outputs(view: View<'_>) -> Made<Estimator> {
    let members = members(view, "estimators_")?;
    let labels: Vec<Labels> = members.iter().flat_map(|member| member.labels().first().cloned()).collect();
    let classifies = view.name().ends_with("Classifier");
    if members.is_empty() || labels.len() != if classifies { members.len() } else { 0 } {
        return python(format!("{}: its estimators are of another kind", view.name()));
    }
    let frame = frame_of(view, &members);
    Ok(Arc::new(Outputs { members, chain: None, labels, frame }))
}

/// `RegressorChain`
pub fn chain(view: View<'_>) -> Made<Estimator> {
    let members = members(view, "estimators_")?;
    let order: Vec<usize> = view.floats_of("order_")?.into_iter().map(|output| output as usize).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    let regress = members.iter().all(|member| member.has(Method::Predict) && member.labels().is_empty());
    if !regress || !sorted.into_iter().eq(0..members.len()) {
        return python("RegressorChain: its estimators and order do not fit together");
    }
    Ok(Arc::new(Outputs { members, chain: Some(order), labels: Vec::new(), frame: frame(view) }))
}

impl Part for Outputs {
    fn has(&self, method: Method) -> bool {
        method == Method::Predict
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if let (Some(_), Some(count)) = (&self.chain, self.frame.count) {
            expect_width("RegressorChain", input, count)?;
        }
        let (mut seen, mut made) = (work.take(), work.take());
        seen.reset(input.rows(), input.width(), Kind::Double);
        seen.copy(0, input);
        out.reset(input.rows(), self.members.len(), Kind::Double);
        for (at, member) in self.members.iter().enumerate() {
            let run = member.run(Method::Predict, &seen, work, &mut made);
            run.and_then(|()| expect_width("an output", &made, 1))?;
            match &self.chain {
                Some(order) => {
                    seen.append_column(&made, 0);
                    out.copy_column(order[at], &made, 0);
                }
                None => out.copy_column(at, &made, 0),
            }
        }
        work.give(seen);
        work.give(made);
        Ok(())
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        self.members.iter().map(|member| member.memory()).sum()
    }
}
