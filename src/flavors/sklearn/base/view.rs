//! What is kept while a model's estimators are read: how deeply they nest, and the texts they know.

use std::cell::{Cell, RefCell};

use foldhash::HashMap;

use super::{Made, python};
use crate::{flavors::common::view, kernels::block::Kind};

/// A value of the model's file.
pub type View<'a> = view::View<'a, Loader>;

/// How deep estimators may hold estimators.
const MAX_DEPTH: usize = 32;

/// How many estimators a model may hold; a file may name the same one again and again.
const MAX_PARTS: usize = 1 << 17;

/// A model being read.
#[derive(Default)]
pub struct Loader {
    depth: Cell<usize>,
    parts: Cell<usize>,
    /// The number of vectorizers for which it is not yet known that they are given the documents of one column.
    pub documents: Cell<usize>,
    symbols: RefCell<Symbols>,
}

/// The texts that occur in a model, each with the number that stands for it.
#[derive(Debug, Default)]
pub struct Symbols {
    numbers: HashMap<String, u32>,
}

/// The number of every text that does not occur in the model.
pub const UNKNOWN: f64 = -1.0;

/// The number that stands for `None` among texts. NaN stands for NaN.
pub const NONE: f64 = -2.0;

/// Whether a value of a column of such a kind is `None`.
#[inline]
pub fn is_none(kind: Kind, value: f64) -> bool {
    match kind {
        Kind::Symbol => value == NONE,
        Kind::Object => value.is_nan(),
        _ => false,
    }
}

impl Symbols {
    /// The number of a text.
    pub fn number(&self, text: &str) -> f64 {
        // Documents are long to hash, and a model that takes only documents has no texts in here.
        if self.numbers.is_empty() {
            return UNKNOWN;
        }
        self.numbers.get(text).map_or(UNKNOWN, |&number| f64::from(number))
    }

    pub fn memory(&self) -> usize {
        self.numbers.keys().map(|text| text.len() + 48).sum()
    }
}

impl Loader {
    pub fn into_symbols(self) -> Symbols {
        self.symbols.into_inner()
    }

    /// The number that stands for a text in blocks.
    pub fn symbol(&self, text: &str) -> f64 {
        let mut symbols = self.symbols.borrow_mut();
        let next = symbols.numbers.len() as u32;
        f64::from(*symbols.numbers.entry(text.to_owned()).or_insert(next))
    }

    /// Runs `build` for an estimator inside the current one.
    pub fn deeper<T>(&self, build: impl FnOnce() -> Made<T>) -> Made<T> {
        if self.depth.get() >= MAX_DEPTH || self.parts.get() >= MAX_PARTS {
            return python(format!("its estimators nest deeper than {MAX_DEPTH}, or are more than {MAX_PARTS}"));
        }
        self.depth.set(self.depth.get() + 1);
        self.parts.set(self.parts.get() + 1);
        let built = build();
        self.depth.set(self.depth.get() - 1);
        built
    }
}

impl View<'_> {
    /// The version of scikit-learn that fitted the estimator, as (major, minor).
    pub fn version(self) -> (u32, u32) {
        let [major, minor, _] = self.release();
        (major, minor)
    }

    /// The same as (major, minor, patch).
    pub fn release(self) -> [u32; 3] {
        let mut parts = self.word("_sklearn_version").split('.').map(|part| part.parse().unwrap_or(0));
        [0; 3].map(|_: u32| parts.next().unwrap_or(0))
    }
}
