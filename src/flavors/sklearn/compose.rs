//! `sklearn.pipeline` and `sklearn.compose`: estimators made of estimators.

use std::sync::Arc;

use super::{
    common::frame,
    part::{Frame, Labels, Method, Part, Shared, Work},
    registry::build,
    view::{Made, View, python},
};
use crate::{
    error::Result,
    formats::objects::Value,
    kernels::block::{Block, Kind},
};

/// Steps one after another; the last answers.
struct Pipeline {
    steps: Vec<Shared>,
    /// `None` where the last step lets everything through.
    last: Option<Shared>,
}

/// Whether a step is the word that lets everything through.
fn passes(view: View<'_>) -> bool {
    *view.value() == Value::None || view.text() == Some("passthrough")
}

/// `Pipeline`
pub(super) fn pipeline(view: View<'_>) -> Made<Shared> {
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
    Ok(Arc::new(Pipeline { steps: built, last }))
}

impl Pipeline {
    fn run_from(&self, at: usize, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        match (self.steps.get(at), &self.last) {
            (Some(step), _) => {
                work.with(&**step, Method::Transform, input, |work, block| self.run_from(at + 1, method, block, work, out))
            }
            (None, Some(last)) => last.run(method, input, work, out),
            (None, None) => {
                out.reset(input.rows(), input.width(), Kind::Double);
                out.copy(0, input);
                Ok(())
            }
        }
    }
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
        self.steps.first().or(self.last.as_ref()).map(|part| part.frame()).unwrap_or_default()
    }

    fn memory(&self) -> usize {
        self.steps.iter().chain(&self.last).map(|part| part.memory()).sum()
    }
}

/// One transformer of several beside each other.
struct Branch {
    /// The columns it takes; `None` for all.
    columns: Option<Vec<usize>>,
    /// `None` lets everything through.
    part: Option<Shared>,
    weight: Option<f64>,
}

/// Transformers beside each other, their columns one after another.
struct Beside {
    branches: Vec<Branch>,
    frame: Frame,
}

fn weight(view: View<'_>, name: View<'_>) -> Option<f64> {
    let weights = view.find("transformer_weights")?;
    weights.find(name.text()?)?.number()
}

/// `ColumnTransformer`
pub(super) fn column_transformer(view: View<'_>) -> Made<Shared> {
    let mut frame = frame(view);
    let Some(width) = frame.count else { return python("ColumnTransformer has no attribute 'n_features_in_'") };
    let indices = view.find("_transformer_to_input_indices");
    let mut branches = Vec::new();
    for entry in view.get("transformers_")?.items() {
        let [name, transformer, columns] = entry.items()[..] else { return entry.wrong("a transformer") };
        if transformer.text() == Some("drop") {
            continue;
        }
        let known = indices.and_then(|indices| indices.find(name.text().unwrap_or_default()));
        let columns = positions(known.unwrap_or(columns), &frame, width)?;
        if columns.is_empty() {
            continue;
        }
        let part = if passes(transformer) { None } else { Some(build(transformer)?) };
        if part.as_ref().is_some_and(|part| !part.has(Method::Transform)) {
            return python(format!("ColumnTransformer: {} is no transformer here", transformer.name()));
        }
        branches.push(Branch { columns: Some(columns), part, weight: weight(view, name) });
    }
    if frame.names.is_some() {
        let mut needed: Vec<usize> = branches.iter().filter_map(|branch| branch.columns.as_ref()).flatten().copied().collect();
        needed.sort_unstable();
        needed.dedup();
        frame.needed = Some(needed.into());
    }
    Ok(Arc::new(Beside { branches, frame }))
}

/// The columns a transformer was given: by number, name, slice or mask.
fn positions(view: View<'_>, frame: &Frame, width: usize) -> Made<Vec<usize>> {
    let names = frame.names.as_deref().unwrap_or_default();
    let named = |text: &str| names.iter().position(|name| name == text);
    if view.class() == "builtins.slice" {
        return python("ColumnTransformer: columns by slice");
    }
    // The remainder's columns are a list in a class of its own.
    let view = view.find("data").unwrap_or(view);
    let found: Option<Vec<usize>> = if let Some(text) = view.text() {
        named(text).map(|at| vec![at])
    } else if let Some(texts) = view.texts().filter(|texts| !texts.is_empty()) {
        texts.iter().map(|text| named(text)).collect()
    } else {
        let place = |number: i64| match number {
            0.. => usize::try_from(number).ok(),
            _ => width.checked_sub(number.unsigned_abs() as usize),
        };
        let array = view.array().ok().and_then(|array| array.ints());
        let numbers = match array {
            Some(numbers) => numbers,
            None => {
                let items = view.items();
                if items.iter().any(|item| matches!(item.value(), Value::Bool(_))) {
                    return python("ColumnTransformer: columns by mask");
                }
                items.into_iter().filter_map(View::int).collect()
            }
        };
        numbers.into_iter().map(place).collect()
    };
    match found.filter(|found| found.iter().all(|&at| at < width)) {
        Some(found) => Ok(found),
        None => view.wrong("columns"),
    }
}

/// `FeatureUnion`
pub(super) fn union(view: View<'_>) -> Made<Shared> {
    let mut branches = Vec::new();
    for entry in view.get("transformer_list")?.items() {
        let [name, transformer] = entry.items()[..] else { return entry.wrong("a transformer") };
        if transformer.text() == Some("drop") {
            continue;
        }
        let part = if passes(transformer) { None } else { Some(build(transformer)?) };
        if part.as_ref().is_some_and(|part| !part.has(Method::Transform)) {
            return python(format!("FeatureUnion: {} is no transformer here", transformer.name()));
        }
        branches.push(Branch { columns: None, part, weight: weight(view, name) });
    }
    let frame = branches.iter().find_map(|branch| branch.part.as_ref()).map(|part| part.frame()).unwrap_or_default();
    Ok(Arc::new(Beside { branches, frame }))
}

impl Branch {
    fn run(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        match &self.part {
            Some(part) => part.run(Method::Transform, input, work, out)?,
            None => {
                out.reset(input.rows(), input.width(), Kind::Double);
                out.copy(0, input);
            }
        }
        if let Some(weight) = self.weight {
            out.map(|value| value * weight);
        }
        Ok(())
    }

    fn run_chosen(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let Some(columns) = &self.columns else { return self.run(input, work, out) };
        let mut chosen = work.take();
        chosen.reset(input.rows(), columns.len(), Kind::Double);
        for (to, &column) in columns.iter().enumerate() {
            chosen.copy_column(to, input, column);
        }
        let made = self.run(&chosen, work, out);
        work.give(chosen);
        made
    }
}

impl Part for Beside {
    fn has(&self, method: Method) -> bool {
        method == Method::Transform
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if let Some(count) = self.frame.count {
            super::part::expect_width("the transformer", input, count)?;
        }
        out.reset(input.rows(), 0, Kind::Double);
        let mut made = work.take();
        for branch in &self.branches {
            branch.run_chosen(input, work, &mut made)?;
            out.append(&made);
        }
        work.give(made);
        Ok(())
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        let part = |branch: &Branch| branch.part.as_ref().map_or(0, |part| part.memory());
        self.branches.iter().map(part).sum()
    }
}
