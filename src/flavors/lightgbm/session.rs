//! One stream of batches through a model.

use std::{ops::Range, sync::Arc};

use arrow::array::{ArrayRef, RecordBatch};

use super::{LgbCore, features::Features, forest::Work};
use crate::{error::Result, flavors::common::boosting::Boosted, kernels::block::round};

/// LightGBM's `kZeroThreshold`: values no farther from zero than this become zero when LightGBM copies a row.
const ZERO: f64 = 1e-35f32 as f64;

/// The scratch space of a stream.
pub(super) struct LgbStream {
    model: Arc<LgbCore>,
    work: Work,
}

impl LgbStream {
    pub(super) fn new(model: Arc<LgbCore>) -> Self {
        Self { model, work: Work::default() }
    }
}

impl Boosted for LgbStream {
    type Value = f64;
    type Columns = Features;

    fn read(&mut self, batch: &RecordBatch) -> Result<Features> {
        Features::new(batch, self.model.num_feature, &self.model.categories)
    }

    fn width(&self) -> usize {
        self.model.forest.features().len()
    }

    fn outputs(&self) -> usize {
        self.model.outputs
    }

    fn predictions(&self) -> usize {
        self.model.outputs
    }

    fn rows(&self) -> usize {
        self.model.forest.rows()
    }

    /// Counts the predictions and the columns of the answer.
    fn bytes(&self, rows: usize, _: usize) -> usize {
        rows.saturating_mul(self.model.outputs + 2).saturating_mul(2 * size_of::<f64>())
    }

    fn fill(&mut self, features: &Features, rows: Range<usize>, block: &mut [f64], stride: usize) -> Result<()> {
        let rounded = self.model.rounds && features.were_rounded();
        for ((feature, categorical), run) in self.model.forest.features().zip(block.chunks_exact_mut(stride)) {
            let run = &mut run[..rows.len()];
            features.columns[feature].fill(rows.clone(), run);
            if rounded {
                round(run);
            }
            run.iter_mut().filter(|value| value.abs() <= ZERO).for_each(|value| *value = 0.0);
            if categorical {
                // A cast to `int`: what lies between -1 and 0 is the first category.
                run.iter_mut().for_each(|value| *value = value.trunc());
            }
        }
        Ok(())
    }

    fn predict(&mut self, block: &[f64], rows: usize, out: &mut [f64], stride: usize) {
        let model = &self.model;
        model.forest.score(0..model.iterations * model.outputs, (block, stride), rows, &mut self.work, out);
        if model.average_output {
            let iterations = model.iterations as f64;
            out.chunks_exact_mut(stride).flat_map(|run| &mut run[..rows]).for_each(|value| *value /= iterations);
        }
        model.response.apply(out, stride, rows);
    }

    fn answer(&self, predictions: Vec<Vec<f64>>) -> Result<Vec<ArrayRef>> {
        self.model.answer.columns(predictions)
    }
}
