//! What an estimator is to this flavor: blocks in, blocks out.

use std::sync::Arc;

use arrow::array::{Array as _, StringArray};

use crate::{
    error::{Error, Kind as ErrorKind, Result},
    kernels::{
        BLOCK,
        block::{Block, Kind},
        neighbors::Nearest,
        trees::Scratch,
    },
};

pub(super) use crate::flavors::common::labels::Labels;

/// The estimator's method that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Transform,
    Predict,
    Proba,
    LogProba,
    Decision,
}

impl Method {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "predict" => Self::Predict,
            "predict_proba" => Self::Proba,
            "predict_log_proba" => Self::LogProba,
            "decision_function" => Self::Decision,
            "transform" => Self::Transform,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
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

/// Whether a classifier with probabilities also has their logarithms.
pub(super) fn has_logarithms(name: &str) -> bool {
    !WITHOUT_LOGARITHMS.contains(&name)
}

/// A fitted estimator.
pub(super) trait Part: Send + Sync {
    /// Whether there is such a method.
    fn has(&self, method: Method) -> bool;

    /// What a method that there is gives for a block. Predicted classes are [`Kind::Class`] columns, in number.
    fn run(&self, method: Method, input: &Block, work: &mut Work, out: &mut Block) -> Result<()>;

    /// The names of the classes, for each column that `predict` gives; empty for what is no classifier.
    fn labels(&self) -> &[Labels] {
        &[]
    }

    /// The columns it was fitted on.
    fn frame(&self) -> Frame {
        Frame::default()
    }

    /// Whether it takes sparse blocks; what does not is given dense ones.
    fn takes_sparse(&self) -> bool {
        false
    }

    /// How many columns its sparse blocks have, if it gives such: of itself, or for an input that is sparse and so wide.
    fn sparse_width(&self, _input: Option<usize>) -> Option<usize> {
        None
    }

    /// Whether it takes the documents of one column, and would read the names of columns of a table.
    fn takes_documents(&self) -> bool {
        false
    }

    /// How many rows it is best given at once, a multiple of [`BLOCK`]. `lent` says that all columns are read where the batch holds them.
    fn rows(&self, _lent: bool) -> usize {
        BLOCK
    }

    /// Bytes held.
    fn memory(&self) -> usize;
}

/// Fitted estimators are shared by sessions.
pub(super) type Shared = Arc<dyn Part>;

/// The columns an estimator takes.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    /// Their names, where it was fitted on a table with names.
    pub(super) names: Option<Arc<[String]>>,
    /// How many there are, where that is known.
    pub(super) count: Option<usize>,
    /// Only these are needed, and by name in any order.
    pub(super) needed: Option<Arc<[usize]>>,
}

/// How many columns a dense block may have: it holds them all, zeros too.
pub(super) const MAX_WIDTH: usize = 1 << 14;

/// Blocks to work in, kept from one block of rows to the next.
#[derive(Default)]
pub(super) struct Work {
    free: Vec<Block>,
    /// The batch's columns of texts, and which of its rows is the blocks' first.
    texts: Vec<Option<StringArray>>,
    first: usize,
    /// Numbers to work with.
    pub(super) numbers: Vec<f64>,
    pub(super) scratch: Scratch<f64>,
    pub(super) nearest: Nearest,
}

impl Work {
    pub(super) fn take(&mut self) -> Block {
        self.free.pop().unwrap_or_default()
    }

    pub(super) fn give(&mut self, block: Block) {
        self.free.push(block);
    }

    /// Says which texts the blocks' numbers stand for.
    pub(super) fn read(&mut self, texts: Vec<Option<StringArray>>) {
        self.texts = texts;
    }

    /// Says which row of the batch is the blocks' first.
    pub(super) fn begin(&mut self, first: usize) {
        self.first = first;
    }

    /// The text of a column that is the batch's, unchanged; `None` where it is missing.
    pub(super) fn text(&self, block: &Block, column: usize, row: usize) -> Result<Option<&str>> {
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

    /// Runs a part on a block, dense where the part does not take sparse ones.
    pub(super) fn run(&mut self, part: &dyn Part, method: Method, input: &Block, out: &mut Block) -> Result<()> {
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

    /// Runs a part into a block of its own, for `then`.
    pub(super) fn with(
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

/// What `check_array` refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allow {
    /// Neither NaN nor infinity passes.
    Finite,
    /// NaN passes.
    Missing,
    /// Everything passes.
    All,
}

/// Refuses a block that the library's `validate_data` refuses: not `width` columns, texts, values that are not finite.
pub(super) fn validate(name: &str, input: &Block, width: usize, allow: Allow) -> Result<()> {
    validate_as(name, input, width, allow, |value| value)
}

/// The same after rounding to single precision, which makes infinity of what is too large.
pub(super) fn validate_single(name: &str, input: &Block, width: usize, allow: Allow) -> Result<()> {
    validate_as(name, input, width, allow, |value| f64::from(value as f32))
}

fn validate_as(name: &str, input: &Block, width: usize, allow: Allow, seen: impl Fn(f64) -> f64) -> Result<()> {
    expect_width(name, input, width)?;
    if let Some(column) = input.kinds().iter().position(|kind| *kind == Kind::Symbol) {
        let error = Error::new(ErrorKind::InvalidArgument, "TYPE_MISMATCH", format!("{name} takes numbers and truth values"));
        return Err(in_column(error.expected("a number").found("text"), input, column));
    }
    if allow == Allow::All {
        return Ok(());
    }
    let bad = |value: &f64| if allow == Allow::Missing { seen(*value).is_infinite() } else { !seen(*value).is_finite() };
    if let Some(sparse) = input.sparse() {
        let found = |row: &usize| sparse.row(*row).any(|(_, value)| bad(&value));
        return match sparse.values().iter().any(bad).then(|| (0..sparse.rows()).find(found)).flatten() {
            Some(row) => Err(refusal(name, sparse.row(row).map(|(_, value)| value).find(bad).unwrap_or(f64::NAN), row)),
            None => Ok(()),
        };
    }
    for (at, column) in input.columns().enumerate() {
        // Summing first keeps the common case free of branches.
        let suspicious = column.iter().fold(false, |any, value| any | bad(value));
        if suspicious && let Some(row) = column.iter().position(bad) {
            return Err(refused(name, input, at, row));
        }
    }
    Ok(())
}

/// Refuses a block of another width than an estimator was fitted on.
pub(super) fn expect_width(name: &str, input: &Block, width: usize) -> Result<()> {
    if input.width() == width {
        return Ok(());
    }
    let message = format!("X has {} features, but {name} is expecting {width} features as input", input.width());
    Err(Error::new(ErrorKind::InvalidArgument, "FEATURE_MISMATCH", message))
}

/// The error for a value of a column that the library refuses.
pub(super) fn refused(name: &str, input: &Block, column: usize, row: usize) -> Error {
    in_column(refusal(name, input.at(row, column), row), input, column)
}

fn refusal(name: &str, value: f64, row: usize) -> Error {
    let (code, message) = match value.is_nan() {
        true => ("MISSING_VALUE", format!("Input X contains NaN: {name} does not accept missing values")),
        false => ("INFINITE_INPUT", format!("Input X contains infinity or a value too large: {name} refuses it")),
    };
    Error::new(ErrorKind::InvalidArgument, code, message).row(row as u64)
}

/// Says where a value comes from, as far as that is known: by the number of the batch's column, whose name the session knows.
pub(super) fn in_column(error: Error, input: &Block, column: usize) -> Error {
    match input.source(column) {
        Some(source) => error.column(source.to_string()),
        None => error,
    }
}

/// The error for a number that an estimator is not made for.
pub(super) fn out_of_range(message: impl Into<String>, row: usize) -> Error {
    Error::new(ErrorKind::InvalidArgument, "OUT_OF_RANGE", message).row(row as u64)
}

/// The natural logarithm of every value.
pub(super) fn logarithm(block: &mut Block) {
    block.map(f64::ln);
}
