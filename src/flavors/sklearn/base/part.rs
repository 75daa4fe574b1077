//! The interface of an estimator: it turns blocks of columns into blocks of columns.

use std::sync::Arc;

use arrow::array::{Array as _, StringArray};

use super::Labels;
use crate::{
    error::{Error, Kind as ErrorKind, Result},
    kernels::{BLOCK, block::Block, neighbors::Nearest, trees::Scratch},
};

/// The method of an estimator that a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Transform,
    Predict,
    Proba,
    LogProba,
    Decision,
}

impl Method {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "predict" => Self::Predict,
            "predict_proba" => Self::Proba,
            "predict_log_proba" => Self::LogProba,
            "decision_function" => Self::Decision,
            "transform" => Self::Transform,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Predict => "predict",
            Self::Proba => "predict_proba",
            Self::LogProba => "predict_log_proba",
            Self::Decision => "decision_function",
        }
    }
}

/// Classifiers that have `predict_proba` and not `predict_log_proba`.
const WITHOUT_LOGARITHMS: [&str; 6] = [
    "CalibratedClassifierCV",
    "HistGradientBoostingClassifier",
    "LabelPropagation",
    "LabelSpreading",
    "OneVsRestClassifier",
    "VotingClassifier",
];

/// Whether a classifier with `predict_proba` also has `predict_log_proba`.
pub fn has_logarithms(name: &str) -> bool {
    !WITHOUT_LOGARITHMS.contains(&name)
}

/// A fitted estimator.
pub trait Part: Send + Sync {
    /// Whether there is such a method.
    fn has(&self, method: Method) -> bool;

    /// Runs a method that the estimator has. Predicted classes are columns of [`Kind::Class`] with the numbers of the classes.
    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()>;

    /// The names of the classes for each column that `predict` gives; empty for an estimator that is not a classifier.
    fn labels(&self) -> &[Labels] {
        &[]
    }

    /// The columns it was fitted on.
    fn frame(&self) -> Frame {
        Frame::default()
    }

    /// Whether it takes sparse blocks; otherwise it is given dense ones.
    fn takes_sparse(&self) -> bool {
        false
    }

    /// The number of columns of its output if that is sparse: always, or because the input is sparse and has `input` columns.
    fn sparse_width(&self, _input: Option<usize>) -> Option<usize> {
        None
    }

    /// Whether it takes the documents of one column. Given a table, it would read the column names as documents.
    fn takes_documents(&self) -> bool {
        false
    }

    /// How many rows are best given in one block, a multiple of [`BLOCK`]. With `lent`, all columns are read from the batch's own
    /// memory.
    fn rows(&self, _lent: bool) -> usize {
        BLOCK
    }

    /// Bytes held.
    fn memory(&self) -> usize;
}

/// A fitted estimator, shared by sessions.
pub type Estimator = Arc<dyn Part>;

/// The columns an estimator takes.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// Their names, where it was fitted on a table with names.
    pub names: Option<Arc<[String]>>,
    /// How many there are, where that is known.
    pub count: Option<usize>,
    /// If not all are needed: those that are, which are then found by name in any order.
    pub needed: Option<Arc<[usize]>>,
}

/// How many columns a dense block may have.
pub const MAX_WIDTH: usize = 1 << 14;

/// Working memory, kept from one block of rows to the next.
#[derive(Default)]
pub struct Work {
    pub free: Vec<Block>,
    /// The batch's columns of texts, and which of its rows is the blocks' first.
    pub texts: Vec<Option<StringArray>>,
    pub first: usize,
    /// Scratch space for numbers.
    pub numbers: Vec<f64>,
    pub scratch: Scratch<f64>,
    pub nearest: Nearest,
}

impl Work {
    pub fn take(&mut self) -> Block {
        self.free.pop().unwrap_or_default()
    }

    pub fn give(&mut self, block: Block) {
        self.free.push(block);
    }

    /// Sets the texts that the numbers in blocks stand for.
    pub fn read(&mut self, texts: Vec<Option<StringArray>>) {
        self.texts = texts;
    }

    /// Sets the row of the batch that is the first of the next block.
    pub fn begin(&mut self, first: usize) {
        self.first = first;
    }

    /// A text of a column that is unchanged from the batch; `None` where it is missing.
    pub fn text(&self, block: &Block, column: usize, row: usize) -> Result<Option<&str>> {
        let source = block.source(column).and_then(|source| self.texts.get(source)?.as_ref());
        let Some(texts) = source else {
            let message = "documents that another step has changed";
            return Err(
                Error::new(ErrorKind::Unimplemented, "TEXT_CHANGED", message).remedy("load the model with engine=\"python\"")
            );
        };
        let row = self.first + row;
        Ok((!texts.is_null(row)).then(|| texts.value(row)))
    }

    /// Runs an estimator on a block, which is made dense if the estimator does not take sparse ones.
    pub fn run(&mut self, part: &dyn Part, method: Method, input: &Block, out: &mut Block) -> Result<()> {
        let Some(sparse) = input.sparse().filter(|_| !part.takes_sparse()) else { return part.run(method, input, self, out) };
        if sparse.width() > MAX_WIDTH {
            let message = format!("a step needs all of {} columns at once, at most {MAX_WIDTH} are made", sparse.width());
            return Err(Error::new(ErrorKind::Unimplemented, "TOO_WIDE", message).remedy("load the model with engine=\"python\""));
        }
        let mut dense = self.take();
        sparse.spread(&mut dense);
        let made = part.run(method, &dense, self, out);
        self.give(dense);
        made
    }

    /// Runs an estimator into a temporary block, which is given to `then`.
    pub fn with(
        &mut self,
        part: &dyn Part,
        method: Method,
        input: &Block,
        then: impl FnOnce(&mut Self, &mut Block) -> Result<()>,
    ) -> Result<()> {
        let mut block = self.take();
        let made = self.run(part, method, input, &mut block);
        let made = made.and_then(|()| then(self, &mut block));
        self.give(block);
        made
    }
}
