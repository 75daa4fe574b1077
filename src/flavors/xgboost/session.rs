//! One stream of batches through a model.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
};

use super::{Engine, XgbCore, class::XgbAnswer, ensemble::Sums, features, options::Asked};
use crate::{
    error::{Error, Kind, Result},
    flavors::common::boosting::Boosted,
    kernels::{
        BLOCK,
        columns::Column,
        linear,
        trees::{Scratch, runs},
    },
};

/// What a stream was asked for, and its scratch space.
pub(super) struct XgbStream {
    model: Arc<XgbCore>,
    asked: Asked,
    places: Option<(SchemaRef, Vec<Option<usize>>)>,
    scratch: Scratch<f32>,
}

impl XgbStream {
    pub(super) fn new(model: Arc<XgbCore>, asked: Asked) -> Self {
        Self { model, asked, places: None, scratch: Scratch::default() }
    }

    /// The error for the first infinity in a block, which has these rows of the batch.
    fn infinity(&self, block: &[f32], stride: usize, rows: Range<usize>) -> Error {
        let infinite = |run: &[f32]| run[..rows.len()].iter().position(|value| value.is_infinite());
        let runs = block.chunks_exact(stride).enumerate();
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
        infinity(rows.start + row, column)
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

impl Boosted for XgbStream {
    type Value = f32;
    type Columns = Vec<Option<Column>>;

    /// The columns that the engine reads, in its order. Infinity is refused in all columns, also in those that are not read.
    fn read(&mut self, batch: &RecordBatch) -> Result<Vec<Option<Column>>> {
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
                // Columns that no tree reads must still be numbers.
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

    fn width(&self) -> usize {
        match &self.model.engine {
            Engine::Trees { ensemble, .. } => ensemble.features().len(),
            Engine::Linear { .. } => self.model.num_feature,
        }
    }

    fn outputs(&self) -> usize {
        self.model.outputs
    }

    fn predictions(&self) -> usize {
        if self.asked.margin { self.model.outputs } else { self.model.link.width(self.model.outputs) }
    }

    fn rows(&self) -> usize {
        match &self.model.engine {
            Engine::Trees { ensemble, .. } => ensemble.rows(),
            Engine::Linear { .. } => BLOCK,
        }
    }

    fn bytes(&self, rows: usize, stride: usize) -> usize {
        let block = self.width() * stride * (size_of::<f32>() + size_of::<u16>());
        rows.saturating_mul(self.predictions() + 2).saturating_mul(size_of::<f32>()) + block
    }

    fn fill(&mut self, columns: &Vec<Option<Column>>, rows: Range<usize>, block: &mut [f32], stride: usize) -> Result<()> {
        let count = rows.len();
        for (column, run) in columns.iter().zip(block.chunks_exact_mut(stride)) {
            match column {
                Some(column) => column.fill(rows.clone(), run),
                None => run[..count].fill(f32::NAN),
            }
            if !self.model.state.missing.is_nan() {
                run[..count].iter_mut().filter(|value| **value == self.model.state.missing).for_each(|value| *value = f32::NAN);
            }
        }
        let mut infinite = false;
        if self.model.finite {
            for run in block.chunks_exact(stride) {
                infinite |= run[..count].iter().fold(false, |any, value| any | value.is_infinite());
            }
        }
        match infinite {
            false => Ok(()),
            true => Err(self.infinity(block, stride, rows)),
        }
    }

    fn predict(&mut self, block: &[f32], rows: usize, out: &mut [f32], stride: usize) {
        match &self.model.engine {
            Engine::Trees { ensemble, base, sums, .. } => {
                let apart = *sums == Sums::Apart;
                out.chunks_exact_mut(stride).zip(base).for_each(|(out, &base)| out.fill(if apart { 0.0 } else { base }));
                ensemble.add(self.asked.trees.clone(), &runs(block, stride), rows, &mut self.scratch, (out, stride));
                if apart {
                    let outputs = out.chunks_exact_mut(stride).zip(base);
                    outputs.for_each(|(out, base)| out.iter_mut().for_each(|sum| *sum += base));
                }
            }
            Engine::Linear { weights, base } => linear::margins(weights, base, block, stride, rows, out),
        }
        if !self.asked.margin {
            self.model.link.apply(out, stride, rows);
        }
    }

    fn answer(&self, predictions: Vec<Vec<f32>>) -> Result<Vec<ArrayRef>> {
        let answer = match self.asked.margin {
            true => XgbAnswer::Values(self.model.outputs),
            false => self.model.answer(),
        };
        answer.columns(predictions, self.model.state.labels.as_ref())
    }
}
