//! The session of models that sum trees over blocks of columns: what XGBoost and LightGBM do with a batch in the same way.

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch};

use super::answers::Answers;
use crate::{
    error::Result,
    kernels::places,
    score::{Context, Session},
};

/// One library's part in scoring a stream. A block is one run of `stride` values for each column, of which the first rows count.
pub trait Boosted: Send {
    /// What columns and sums are held in.
    type Value: Copy + Default + Send;
    /// The columns of a batch.
    type Columns;

    /// The batch's columns as the model's features.
    fn read(&mut self, batch: &RecordBatch) -> Result<Self::Columns>;

    /// How many columns a block has.
    fn width(&self) -> usize;

    /// How many sums the model makes for a row.
    fn outputs(&self) -> usize;

    /// How many predictions a row has, which is no more than [`Boosted::outputs`].
    fn predictions(&self) -> usize;

    /// How many rows are best scored at once, a multiple of [`BLOCK`](crate::kernels::BLOCK).
    fn rows(&self) -> usize;

    /// Bytes that scoring a batch of `rows` rows takes, in blocks of `stride` rows.
    fn bytes(&self, rows: usize, stride: usize) -> usize;

    /// Copies some rows of the columns to a block.
    fn fill(&mut self, columns: &Self::Columns, rows: Range<usize>, block: &mut [Self::Value], stride: usize) -> Result<()>;

    /// Predicts the first rows of a block. `out` is a run of `stride` values for each output, the first of which are the
    /// predictions.
    fn predict(&mut self, block: &[Self::Value], rows: usize, out: &mut [Self::Value], stride: usize);

    /// Turns the predictions of all rows of a batch into the answer's columns.
    fn answer(&self, predictions: Vec<Vec<Self::Value>>) -> Result<Vec<ArrayRef>>;
}

/// The scratch space of a stream.
pub struct BoostingSession<B: Boosted> {
    model: B,
    block: Vec<B::Value>,
    out: Vec<B::Value>,
    answers: Answers,
}

impl<B: Boosted> BoostingSession<B> {
    pub fn new(model: B) -> Self {
        Self { model, block: Vec::new(), out: Vec::new(), answers: Answers::new() }
    }
}

impl<B: Boosted> Session for BoostingSession<B> {
    fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self.model.read(batch)?;
        let stride = self.model.rows().min(places(rows));
        context.reserve(self.model.bytes(rows, stride))?;
        // The kernels read whole vectors, so they may load the values after a block's last row, but no prediction depends on them.
        self.block.resize(self.model.width() * stride, B::Value::default());
        self.out.resize(self.model.outputs() * stride, B::Value::default());
        let mut predictions: Vec<Vec<B::Value>> = (0..self.model.predictions()).map(|_| Vec::with_capacity(rows)).collect();
        for start in (0..rows).step_by(stride) {
            context.check()?;
            let count = stride.min(rows - start);
            self.model.fill(&columns, start..start + count, &mut self.block, stride)?;
            self.model.predict(&self.block, count, &mut self.out, stride);
            for (predictions, run) in predictions.iter_mut().zip(self.out.chunks_exact(stride)) {
                predictions.extend_from_slice(&run[..count]);
            }
        }
        self.answers.of(self.model.answer(predictions)?)
    }
}
