//! One stream of batches through a model.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use super::{Engine, Inner, class::Answer, ensemble::Sums, features, options::Asked};
use crate::{
    error::{Error, Kind, Result},
    flavors::answers::Answers,
    kernels::{
        BLOCK,
        columns::Column,
        linear, places,
        trees::{Scratch, runs},
    },
    score::{Context, Session},
};

/// The scratch space of a stream.
pub(super) struct XgbSession {
    model: Arc<Inner>,
    asked: Asked,
    places: Option<(SchemaRef, Vec<Option<usize>>)>,
    block: Vec<f32>,
    out: Vec<f32>,
    scratch: Scratch<f32>,
    answers: Answers,
}

impl XgbSession {
    pub(super) fn new(model: Arc<Inner>, asked: Asked) -> Self {
        let (block, out, scratch) = (Vec::new(), Vec::new(), Scratch::default());
        Self { model, asked, places: None, block, out, scratch, answers: Answers::new() }
    }

    /// Most rows scored at once.
    fn most(&self) -> usize {
        match &self.model.engine {
            Engine::Trees { ensemble, .. } => ensemble.rows(),
            Engine::Linear { .. } => BLOCK,
        }
    }

    /// The columns the engine reads, in its order. Where infinity is refused, it is in any column, read or not.
    fn columns(&mut self, batch: &RecordBatch) -> Result<Vec<Option<Column>>> {
        let schema = batch.schema();
        let places = match self.places.take() {
            Some((known, places)) if Arc::ptr_eq(&known, &schema) => places,
            _ => features::places(&self.model, &schema, self.asked.validate)?,
        };
        let codes = features::takes_codes(&self.model, batch);
        let column = |feature, place| features::column(&self.model, batch, feature, place, codes);
        let one = |feature: usize| places[feature].map(|place| column(feature, place)).transpose();
        let columns = match &self.model.engine {
            Engine::Linear { .. } => (0..places.len()).map(one).collect::<Result<Vec<_>>>()?,
            Engine::Trees { ensemble, .. } => {
                // Unread columns must still hold numbers.
                let mut unread = ensemble.features().iter().map(|&feature| feature as usize).peekable();
                let mut columns = Vec::with_capacity(ensemble.features().len());
                for (feature, &place) in places.iter().enumerate() {
                    let column = one(feature)?;
                    if unread.next_if_eq(&feature).is_some() {
                        columns.push(column);
                    } else if let Some(column) = column.filter(|_| self.model.finite) {
                        refuse_infinity_in(&column, batch, place)?;
                    }
                }
                columns
            }
        };
        self.places = Some((schema, places));
        Ok(columns)
    }

    fn fill(&mut self, columns: &[Option<Column>], stride: usize, start: usize, rows: usize) -> Result<()> {
        let mut infinite = false;
        for (column, run) in columns.iter().zip(self.block.chunks_exact_mut(stride)) {
            match column {
                Some(column) => column.fill(start..start + rows, run),
                None => run[..rows].fill(f32::NAN),
            }
            if !self.model.state.missing.is_nan() {
                run[..rows].iter_mut().filter(|value| **value == self.model.state.missing).for_each(|value| *value = f32::NAN);
            }
        }
        if self.model.finite {
            for run in self.block.chunks_exact(stride) {
                infinite |= run[..rows].iter().fold(false, |any, value| any | value.is_infinite());
            }
        }
        match infinite {
            false => Ok(()),
            true => Err(self.infinity(stride, start, rows)),
        }
    }

    /// The error for the first infinity in the block, whose first row is row `start` of the batch.
    fn infinity(&self, stride: usize, start: usize, rows: usize) -> Error {
        let infinite = |run: &[f32]| run[..rows].iter().position(|value| value.is_infinite());
        let runs = self.block.chunks_exact(stride).enumerate();
        let first = runs.filter_map(|(at, run)| Some((infinite(run)?, at))).min();
        let (row, at) = first.unwrap_or_default();
        let feature = match &self.model.engine {
            Engine::Linear { .. } => Some(at),
            Engine::Trees { ensemble, .. } => ensemble.features().get(at).map(|&feature| feature as usize),
        };
        let column = self.places.as_ref().and_then(|(schema, places)| {
            let place = places.get(feature?).copied().flatten()?;
            Some(schema.field(place).name().clone())
        });
        infinity(start + row, column)
    }
}

fn infinity(row: usize, column: Option<String>) -> Error {
    let error = Error::new(Kind::InvalidArgument, "INFINITE_INPUT", "XGBoost refuses infinity and values too large for a float")
        .remedy("replace them, by null where they mean missing")
        .row(row as u64);
    match column {
        Some(column) => error.column(column),
        None => error,
    }
}

fn refuse_infinity_in(column: &Column, batch: &RecordBatch, place: Option<usize>) -> Result<()> {
    let mut run = [0.0f32; BLOCK];
    for start in (0..batch.num_rows()).step_by(BLOCK) {
        let rows = BLOCK.min(batch.num_rows() - start);
        column.fill(start..start + rows, &mut run);
        if let Some(row) = run[..rows].iter().position(|value| value.is_infinite()) {
            return Err(infinity(start + row, place.map(|place| batch.schema_ref().field(place).name().clone())));
        }
    }
    Ok(())
}

impl Session for XgbSession {
    fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let answer = match self.asked.margin {
            true => Answer::Values(self.model.outputs),
            false => self.model.answer(),
        };
        let width = if self.asked.margin { self.model.outputs } else { self.model.link.width(self.model.outputs) };
        let columns = self.columns(batch)?;
        let stride = self.most().min(places(rows));
        context.reserve(
            rows.saturating_mul(width + 2).saturating_mul(4) + columns.len() * stride * (size_of::<f32>() + size_of::<u16>()),
        )?;
        // What stays of a block's end is never read, only passed over by vectors.
        self.block.resize(columns.len() * stride, 0.0);
        self.out.resize(self.model.outputs * stride, 0.0);
        let mut values: Vec<Vec<f32>> = (0..width).map(|_| Vec::with_capacity(rows)).collect();
        for start in (0..rows).step_by(stride) {
            context.check()?;
            let count = stride.min(rows - start);
            self.fill(&columns, stride, start, count)?;
            match &self.model.engine {
                Engine::Trees { ensemble, base, sums, .. } => {
                    let apart = *sums == Sums::Apart;
                    self.out.chunks_exact_mut(stride).zip(base).for_each(|(out, &base)| out.fill(if apart { 0.0 } else { base }));
                    let read = runs(&self.block, stride);
                    ensemble.add(self.asked.trees.clone(), &read, count, &mut self.scratch, (&mut self.out, stride));
                    if apart {
                        let outputs = self.out.chunks_exact_mut(stride).zip(base);
                        outputs.for_each(|(out, base)| out.iter_mut().for_each(|sum| *sum += base));
                    }
                }
                Engine::Linear { weights, base } => {
                    linear::margins(weights, base, &self.block, stride, count, &mut self.out);
                }
            }
            if !self.asked.margin {
                self.model.link.apply(&mut self.out, stride, count);
            }
            for (values, run) in values.iter_mut().zip(self.out.chunks_exact(stride)) {
                values.extend_from_slice(&run[..count]);
            }
        }
        self.answers.of(answer.columns(values, self.model.state.labels.as_ref())?)
    }
}
