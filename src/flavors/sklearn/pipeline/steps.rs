//! `Pipeline`

use std::sync::Arc;

use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Estimator, Frame, Labels, MAX_WIDTH, Made, Method, Part, View, Work, python},
        registry::build,
    },
    formats::objects::Value,
    kernels::{
        BLOCK,
        block::{Block, Kind},
        sparse,
    },
};

/// Blocks may have more than [`BLOCK`] rows if no step takes more columns than this.
const NARROW: usize = 1 << 9;

/// Steps one after another; the last one gives the answer.
struct Pipeline {
    steps: Vec<Estimator>,
    /// `None` where the last step is `passthrough`.
    last: Option<Estimator>,
}

/// Whether a step is `passthrough`.
pub fn passes(view: View<'_>) -> bool {
    *view.value() == Value::None || view.text() == Some("passthrough")
}

/// `Pipeline`
pub fn pipeline(view: View<'_>) -> Made<Estimator> {
    let steps = view.get("steps")?.items();
    let mut built = Vec::new();
    let mut last = None;
    for (at, step) in steps.iter().enumerate() {
        let [_, estimator] = step.items()[..] else { return step.wrong("a step") };
        if passes(estimator) {
            continue;
        }
        let part = build(estimator)?;
        if at + 1 == steps.len() {
            last = Some(part);
        } else if part.has(Method::Transform) {
            built.push(part);
        } else {
            return python(format!("Pipeline: {} is no transformer here", estimator.name()));
        }
    }
    let mut width = None;
    for part in built.iter().chain(&last) {
        let dense = width.filter(|_| !part.takes_sparse());
        if let Some(width) = dense.filter(|&width| width > MAX_WIDTH) {
            return python(format!("Pipeline: a step needs all of {width} columns at once, at most {MAX_WIDTH} are made"));
        }
        width = part.sparse_width(width.filter(|_| part.takes_sparse()));
    }
    Ok(Arc::new(Pipeline { steps: built, last }))
}

impl Pipeline {
    fn first(&self) -> Option<&Estimator> {
        self.steps.first().or(self.last.as_ref())
    }

    fn run_from(&self, at: usize, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        match (self.steps.get(at), &self.last) {
            (Some(step), _) => {
                work.with(&**step, Method::Transform, input, |work, block| self.run_from(at + 1, method, block, work, out))
            }
            (None, Some(last)) => work.run(&**last, method, input, out),
            (None, None) => {
                pass(input, out);
                Ok(())
            }
        }
    }
}

/// Copies a block unchanged.
pub fn pass(input: &Block, out: &mut Block) {
    if input.sparse().is_some() {
        let to = out.reset_sparse(input.rows(), input.width());
        for row in 0..input.rows() {
            sparse::add(input, row, 0, 1.0, to);
            to.end_row();
        }
        return;
    }
    out.reset(input.rows(), input.width(), Kind::Double);
    out.copy(0, input);
}

impl Part for Pipeline {
    fn has(&self, method: Method) -> bool {
        self.last.as_ref().map_or(method == Method::Transform, |last| last.has(method))
    }

    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        self.run_from(0, method, input, work, out)
    }

    fn labels(&self) -> &[Labels] {
        self.last.as_ref().map_or(&[], |last| last.labels())
    }

    fn frame(&self) -> Frame {
        self.first().map(|part| part.frame()).unwrap_or_default()
    }

    fn takes_sparse(&self) -> bool {
        self.first().is_none_or(|part| part.takes_sparse())
    }

    fn sparse_width(&self, input: Option<usize>) -> Option<usize> {
        let after = |width: Option<usize>, part: &Estimator| part.sparse_width(width.filter(|_| part.takes_sparse()));
        self.steps.iter().chain(&self.last).fold(input, after)
    }

    fn takes_documents(&self) -> bool {
        self.first().is_some_and(|part| part.takes_documents())
    }

    fn rows(&self, lent: bool) -> usize {
        let narrow = |part: &Estimator| part.frame().count.is_some_and(|count| count <= NARROW);
        match &self.last {
            Some(last) if self.steps.iter().chain(&self.last).all(narrow) => last.rows(lent && self.steps.is_empty()),
            _ => BLOCK,
        }
    }

    fn memory(&self) -> usize {
        self.steps.iter().chain(&self.last).map(|part| part.memory()).sum()
    }
}
