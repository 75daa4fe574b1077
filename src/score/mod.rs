//! Scoring: what a flavor implements ([`Model`], [`Session`]) and the one thing adapters see ([`Scorer`]).

mod context;
mod nested;
pub(crate) mod numbers;
mod scorer;

pub mod convert;
pub mod ddl;
pub mod enforce;
pub mod params;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use serde_json::{Map, Value};

pub use context::{CancelFlag, Context};
pub use scorer::{ScoreOptions, Scorer, ScorerSession};

use crate::{config::named_values, error::Result};

/// Name of the one column that a [`Scorer`] returns.
pub const PREDICTION: &str = "prediction";

/// Metadata of a column of text that says what stands for nulls where it comes from, as far as that is known: `none` for Python's
/// `None`, `nan` for NaN in a column of Python objects, `str` for what pandas' own type of text has.
pub const MISSING: &str = "mlflight.missing";

/// A loaded model. Immutable and shared by every stream that scores with it.
pub trait Model: Send + Sync {
    /// The columns the model reads, when it knows them without a signature (a native model's feature names and types).
    fn input(&self) -> Option<SchemaRef>;

    /// Whether the model reads columns of this type as they are. Of dictionaries and runs that it does not read it is given the
    /// values, of decimals the nearest doubles.
    fn reads(&self, _from: &DataType) -> bool {
        true
    }

    /// Whether a column that is none of [`Model::input`]'s may come along: one that the model's library leaves out by itself. Others
    /// are refused where there is no signature.
    fn leaves_out(&self, _column: &str) -> bool {
        false
    }

    /// Type of one prediction without params, when the model knows it before it has scored: a number or string, or a list of fixed
    /// size (one item an output column). Unknown for Python models.
    fn output(&self) -> Option<DataType>;

    /// Bytes the loaded model holds on to.
    fn memory(&self) -> usize;

    /// Does now what the first batch would else have to wait for or fail by.
    fn warm(&self, _context: &Context) -> Result<()> {
        Ok(())
    }

    /// Starts scoring one stream of batches; params and result type stay as they are for its life.
    fn session(&self, options: &SessionOptions) -> Result<Box<dyn Session>>;
}

/// One stream's use of a [`Model`], with its scratch space.
pub trait Session: Send {
    /// Scores a batch whose columns are the model's input after enforcement (signature order and types; without a signature, as
    /// they came). The answer has as many rows, in the same order, and one column for each column the library's own
    /// `predict` gives, named as there (an unnamed 1-D answer: `0`; an n x k matrix: `0` to `k-1`).
    fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch>;
}

/// What a [`Session`] is bound to.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Inference params, already checked against the params schema ([`params::bind`]).
    pub params: Map<String, Value>,
    /// The result type asked for, where one is: lets a Python worker convert Python objects that have no Arrow type.
    pub result: Option<DataType>,
    /// The type that the signature declares: where no type was asked for, it tells a Python worker which dicts are maps.
    pub declared: Option<DataType>,
    /// Which conversion rules apply.
    pub compat: Compat,
}

/// Which conversion rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compat {
    /// Convert whenever every value survives exactly; accept all that MLflow accepts.
    #[default]
    Exact,
    /// MLflow's own matrix, quirks included.
    Mlflow,
}

named_values!(Compat, "compat", { Exact => "exact", Mlflow => "mlflow" });
