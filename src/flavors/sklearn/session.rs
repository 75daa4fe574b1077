//! One stream of batches through a model.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float32Array, Float64Array, RecordBatch},
    datatypes::SchemaRef,
};

use super::{
    SklearnCore,
    base::Work,
    frame::{self, Input},
};
use crate::{
    error::{Error, Kind as ErrorKind, Result},
    flavors::common::answers::Answers,
    kernels::{
        self,
        block::{Block, Kind},
    },
    score::{Context, Session},
};

/// The scratch space of a stream.
pub(super) struct SklearnSession {
    model: Arc<SklearnCore>,
    /// The largest number of rows given to the model at once: where columns are converted, and where all are lent.
    most: [usize; 2],
    places: Option<(SchemaRef, Vec<Option<usize>>)>,
    work: Work,
    input: Block,
    out: Block,
    answers: Answers,
}

impl SklearnSession {
    pub(super) fn new(model: Arc<SklearnCore>) -> Self {
        let most = [false, true].map(|lent| model.part.rows(lent));
        let (work, input, out) = (Work::default(), Block::default(), Block::default());
        Self { model, most, places: None, work, input, out, answers: Answers::new() }
    }

    /// Prepares the block for the rows of a batch that are given to the model at once; says how many these are.
    fn begin(&mut self, batch: &RecordBatch) -> Result<(Vec<(usize, Input)>, usize)> {
        let places = match self.places.take() {
            Some((known, places)) if Arc::ptr_eq(&known, batch.schema_ref()) => places,
            _ => frame::places(&self.model, batch.schema_ref())?,
        };
        let (_, places) = self.places.insert((batch.schema(), places));
        let inputs = frame::begin(places, self.model.nulls_are_none, batch, &mut self.input)?;
        self.work.read(frame::texts(&inputs));
        if inputs.is_empty() {
            return Ok((inputs, self.most[1].min(batch.num_rows())));
        }
        // Converted columns take no more memory than the batch, or than a block of the least size.
        let fields = batch.schema_ref().fields().iter();
        let bytes: usize = fields.map(|field| field.data_type().primitive_width().unwrap_or(1)).sum();
        let rows = kernels::places(batch.num_rows() * bytes / (inputs.len() * size_of::<f64>()));
        let most = self.most[0].min(rows).min(batch.num_rows());
        self.input.make_rows(most);
        Ok((inputs, most))
    }

    /// An error about a block, with the row counted from the start of the batch and with the name of the column.
    fn located(&self, error: Error, start: usize, batch: &RecordBatch) -> Error {
        let number = match error.column_name() {
            Some(number) => number.parse().ok(),
            None => self.suspect(&error),
        };
        let error = match error.row_number() {
            Some(row) => error.row(start as u64 + row),
            None => error,
        };
        let place = number.and_then(|number: usize| self.places.as_ref()?.1.get(number).copied().flatten());
        match place {
            Some(place) => error.column(batch.schema_ref().field(place).name()),
            None => error,
        }
    }

    /// The column of a refused value, where a step did not say which: that of the only such value in the row.
    fn suspect(&self, error: &Error) -> Option<usize> {
        let row = usize::try_from(error.row_number()?).ok().filter(|&row| row < self.input.rows())?;
        let is_meant = |column: &usize| match (error.code(), self.input.at(row, *column)) {
            ("MISSING_VALUE", value) => value.is_nan(),
            ("INFINITE_INPUT", value) => (value as f32).is_infinite(),
            _ => false,
        };
        let mut columns = (0..self.input.width()).filter(is_meant);
        columns.next().filter(|_| columns.next().is_none())
    }

    /// One answer column from all rows' values.
    fn column(&self, at: usize, kind: Kind, values: Vec<f64>) -> Result<ArrayRef> {
        Ok(match kind {
            Kind::Class => {
                let labels = self.model.part.labels();
                let labels = labels
                    .get(at)
                    .or(labels.first())
                    .ok_or_else(|| Error::new(ErrorKind::Internal, "NO_LABELS", "a class was predicted by what has none"))?;
                labels.named(&values)?
            }
            Kind::Single => Arc::new(Float32Array::from_iter_values(values.into_iter().map(|value| value as f32))),
            _ => Arc::new(Float64Array::from(values)),
        })
    }
}

impl Session for SklearnSession {
    fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        let unpacked = if self.model.by_position { frame::unpacked(batch)? } else { None };
        let batch = unpacked.as_ref().unwrap_or(batch);
        let rows = batch.num_rows();
        let mut values: Vec<Vec<f64>> = Vec::new();
        let model = self.model.clone();
        let (inputs, most) = self.begin(batch)?;
        for start in (0..rows).step_by(most.max(1)) {
            context.check()?;
            let count = most.min(rows - start);
            self.work.begin(start);
            frame::fill(&inputs, &model.symbols, start..start + count, &mut self.input);
            let made = model.part.run(model.method, &self.input, &mut self.work, &mut self.out);
            made.map_err(|error| self.located(error, start, batch))?;
            if values.is_empty() {
                let width = self.out.width();
                context.reserve(rows.saturating_mul(width).saturating_mul(16))?;
                values = (0..width).map(|_| Vec::with_capacity(rows)).collect();
            }
            values.iter_mut().zip(self.out.columns()).for_each(|(values, column)| values.extend_from_slice(column));
        }
        // Gives up the lent columns, so that the memory of the batch can be freed.
        self.input.reset(0, 0, Kind::Double);
        let kinds = self.out.kinds();
        let columns =
            values.into_iter().enumerate().map(|(at, values)| self.column(at, kinds[at], values)).collect::<Result<Vec<_>>>()?;
        self.answers.of(columns)
    }
}
