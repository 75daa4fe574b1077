//! `FeatureUnion`, and the parallel transformers that a `ColumnTransformer` also consists of.

use std::sync::Arc;

use super::steps::{pass, passes};
use crate::{
    error::Result,
    flavors::sklearn::{
        base::{Allow, Estimator, Frame, Made, Method, Part, View, Work, expect_width, python, validate},
        registry::build,
    },
    kernels::{
        block::{Block, Kind},
        sparse::{self, Sparse},
    },
};

/// One of several parallel transformers.
pub struct Branch {
    /// The columns it takes; `None` for all.
    pub columns: Option<Vec<usize>>,
    /// The transformer; `None` for `passthrough`.
    pub part: Option<Estimator>,
    pub weight: Option<f64>,
}

/// Parallel transformers, whose outputs are concatenated.
pub struct Union {
    pub branches: Vec<Branch>,
    pub frame: Frame,
}

pub fn weight(view: View<'_>, name: View<'_>) -> Option<f64> {
    let weights = view.find("transformer_weights")?;
    weights.find(name.text()?)?.number()
}

/// `FeatureUnion`
pub fn union(view: View<'_>) -> Made<Estimator> {
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
    Ok(Arc::new(Union { branches, frame }))
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

impl Union {
    fn run_sparse(&self, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        let mut made = Vec::with_capacity(self.branches.len());
        for branch in &self.branches {
            let mut block = work.take();
            branch.run_chosen(input, work, &mut block)?;
            // Numbers that stand for texts cannot be in a sparse matrix.
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

impl Part for Union {
    fn has(&self, method: Method) -> bool {
        method == Method::Transform
    }

    fn run(&self, _: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()> {
        if let Some(count) = self.frame.count {
            expect_width("the transformer", input, count)?;
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
