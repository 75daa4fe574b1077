//! `sklearn.pipeline` and `sklearn.compose`: estimators made of estimators.

use std::{collections::HashMap, sync::Arc};

use super::{
    common::frame,
    part::{Allow, Frame, Labels, MAX_WIDTH, Method, Part, Shared, Work, validate},
    registry::build,
    view::{Made, View, python},
};
use crate::{
    error::Result,
    formats::objects::Value,
    kernels::{
        BLOCK,
        block::{Block, Kind},
        sparse::{self, Sparse},
    },
};

/// How many columns every step may take for blocks to have more than [`BLOCK`] rows.
const NARROW: usize = 1 << 9;

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
    fn first(&self) -> Option<&Shared> {
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

/// Everything as it is.
fn pass(input: &Block, out: &mut Block) {
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
        let after = |width: Option<usize>, part: &Shared| part.sparse_width(width.filter(|_| part.takes_sparse()));
        self.steps.iter().chain(&self.last).fold(input, after)
    }

    fn takes_documents(&self) -> bool {
        self.first().is_some_and(|part| part.takes_documents())
    }

    fn rows(&self, lent: bool) -> usize {
        let narrow = |part: &Shared| part.frame().count.is_some_and(|count| count <= NARROW);
        match &self.last {
            Some(last) if self.steps.iter().chain(&self.last).all(narrow) => last.rows(lent && self.steps.is_empty()),
            _ => BLOCK,
        }
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
        let spec = columns;
        let columns = positions(known.unwrap_or(spec), &frame, width)?;
        if columns.is_empty() {
            continue;
        }
        let open = view.loader.documents.get();
        let part = if passes(transformer) { None } else { Some(build(transformer)?) };
        if part.as_ref().is_some_and(|part| !part.has(Method::Transform)) {
            return python(format!("ColumnTransformer: {} is no transformer here", transformer.name()));
        }
        // One column by its name or number is a series, one in a list a table.
        if part.as_ref().is_some_and(|part| part.takes_documents()) && (spec.text().is_some() || spec.int().is_some()) {
            view.loader.documents.set(open);
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
    // Backwards, so that the first of several columns of one name is the one that is found.
    let places: HashMap<&str, usize> = names.iter().enumerate().rev().map(|(at, name)| (name.as_str(), at)).collect();
    let named = |text: &str| places.get(text).copied();
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
            Some(part) => work.run(&**part, Method::Transform, input, out)?,
            None => pass(input, out),
        }
        if let Some(weight) = self.weight {
            match out.sparse_mut() {
                Some(sparse) => {
                    (0..sparse.rows()).for_each(|row| sparse.row_mut(row).1.iter_mut().for_each(|value| *value *= weight))
                }
                None => out.map(|value| value * weight),
            }
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

impl Beside {
    fn run_sparse(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut made = Vec::with_capacity(self.branches.len());
        for branch in &self.branches {
            let mut block = work.take();
            branch.run_chosen(input, work, &mut block)?;
            // The numbers that stand for texts are none.
            validate("the transformer", &block, block.width(), Allow::All)?;
            made.push(block);
        }
        let to = out.reset_sparse(input.rows(), made.iter().map(Block::width).sum());
        for row in 0..input.rows() {
            let mut first = 0;
            for block in &made {
                sparse::add(block, row, first, 1.0, to);
                first += block.width();
            }
            to.end_row();
        }
        made.into_iter().for_each(|block| work.give(block));
        Ok(())
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
        if self.sparse_width(input.sparse().map(Sparse::width)).is_some() {
            return self.run_sparse(input, work, out);
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

    fn takes_sparse(&self) -> bool {
        let whole = |branch: &Branch| branch.columns.is_none() && branch.part.as_ref().is_none_or(|part| part.takes_sparse());
        self.branches.iter().all(whole)
    }

    fn sparse_width(&self, input: Option<usize>) -> Option<usize> {
        let width = |branch: &Branch| {
            let input = input.filter(|_| branch.columns.is_none());
            branch.part.as_ref().map_or(input, |part| part.sparse_width(input.filter(|_| part.takes_sparse())))
        };
        self.branches.iter().filter_map(width).reduce(|all, width| all + width)
    }

    fn takes_documents(&self) -> bool {
        let documents = |branch: &Branch| branch.part.as_ref().is_some_and(|part| part.takes_documents());
        self.branches.iter().any(|branch| branch.columns.is_none() && documents(branch))
    }

    fn frame(&self) -> Frame {
        self.frame.clone()
    }

    fn memory(&self) -> usize {
        let part = |branch: &Branch| branch.part.as_ref().map_or(0, |part| part.memory());
        self.branches.iter().map(part).sum()
    }
}
