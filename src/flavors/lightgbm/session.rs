//! One stream of batches through a model.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{Inner, features::Features, forest::Work};
use crate::{
    error::Result,
    flavors::answers::Answers,
    kernels::{block::round, places},
    score::{Context, Session},
};

/// LightGBM's `kZeroThreshold`: what is no farther from zero it takes for zero when it copies a row.
const ZERO: f64 = 1e-35f32 as f64;

/// The scratch space of a stream.
pub(super) struct LgbSession {
    model: Arc<Inner>,
    block: Vec<f64>,
    work: Work,
    out: Vec<f64>,
    answers: Answers,
}

impl LgbSession {
    pub(super) fn new(model: Arc<Inner>) -> Self {
        Self { model, block: Vec::new(), work: Work::default(), out: Vec::new(), answers: Answers::new() }
    }

    /// Fills the block with the columns the trees read.
    fn fill(&mut self, features: &Features, rounded: bool, stride: usize, start: usize, rows: usize) {
        for ((feature, categorical), run) in self.model.forest.features().zip(self.block.chunks_exact_mut(stride)) {
            let run = &mut run[..rows];
            features.columns[feature].fill(start..start + rows, run);
            if rounded {
                round(run);
            }
            run.iter_mut().filter(|value| value.abs() <= ZERO).for_each(|value| *value = 0.0);
            if categorical {
                // A cast to `int`: what lies between -1 and 0 is the first category.
                run.iter_mut().for_each(|value| *value = value.trunc());
            }
        }
    }

    /// Scores and predictions of the rows in the block.
    fn predict(&mut self, stride: usize, rows: usize) {
        let model = &self.model;
        model.forest.score(0..model.iterations * model.outputs, (&self.block, stride), rows, &mut self.work, &mut self.out);
        if model.average_output {
            let iterations = model.iterations as f64;
            self.out.chunks_exact_mut(stride).flat_map(|run| &mut run[..rows]).for_each(|value| *value /= iterations);
        }
        model.response.apply(&mut self.out, stride, rows);
    }
}

impl Session for LgbSession {
    fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        let (rows, outputs) = (batch.num_rows(), self.model.outputs);
        let features = Features::new(batch, self.model.num_feature, &self.model.categories)?;
        let rounded = self.model.rounds && features.were_rounded();
        context.reserve(rows.saturating_mul(outputs + 2).saturating_mul(16))?;
        // What stays of a block's end is never read, only passed over by vectors.
        let stride = self.model.forest.rows().min(places(rows));
        self.block.resize(self.model.forest.features().len() * stride, 0.0);
        self.out.resize(outputs * stride, 0.0);
        let mut values: Vec<Vec<f64>> = (0..outputs).map(|_| Vec::with_capacity(rows)).collect();
        for start in (0..rows).step_by(stride) {
            context.check()?;
            let count = stride.min(rows - start);
            self.fill(&features, rounded, stride, start, count);
            self.predict(stride, count);
            values
                .iter_mut()
                .zip(self.out.chunks_exact(stride))
                .for_each(|(values, run)| values.extend_from_slice(&run[..count]));
        }
        self.answers.of(self.model.answer.columns(values)?)
    }
}
