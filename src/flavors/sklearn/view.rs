//! Reading fitted attributes out of an object graph.

use std::cell::{Cell, RefCell};

use foldhash::HashMap;

use super::csr;
use crate::{
    flavors::obstacle::Obstacle,
    formats::{
        npy::{Array, Data},
        objects::{Graph, Id, Value},
    },
    kernels::block::Kind,
};

pub(in crate::flavors) type Made<T> = Result<T, Obstacle>;

/// An obstacle for a reason.
pub(super) fn python<T>(reason: impl Into<String>) -> Made<T> {
    Err(Obstacle::Python(reason.into()))
}

/// How deep estimators may hold estimators.
const MAX_DEPTH: usize = 32;
/// How many estimators a model may hold; a file may name the same one again and again.
const MAX_PARTS: usize = 1 << 17;

/// A graph being read.
pub(super) struct Loader<'a> {
    graph: &'a Graph,
    depth: Cell<usize>,
    parts: Cell<usize>,
    /// Vectorizers that are not known to be given one column's documents.
    pub(super) documents: Cell<usize>,
    symbols: RefCell<Symbols>,
}

/// The texts a model knows, by number.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    numbers: HashMap<String, u32>,
}

/// The number of every text the model does not know.
pub(super) const UNKNOWN: f64 = -1.0;
/// What stands for `None` among texts. NaN is NaN there too.
pub(super) const NONE: f64 = -2.0;

/// Whether a value of a column of such a kind is `None`.
#[inline]
pub(super) fn is_none(kind: Kind, value: f64) -> bool {
    match kind {
        Kind::Symbol => value == NONE,
        Kind::Object => value.is_nan(),
        _ => false,
    }
}

impl Symbols {
    /// The number of a text.
    pub(super) fn number(&self, text: &str) -> f64 {
        // Documents are long, and a model that takes nothing else knows no text.
        if self.numbers.is_empty() {
            return UNKNOWN;
        }
        self.numbers.get(text).map_or(UNKNOWN, |&number| f64::from(number))
    }

    pub(super) fn memory(&self) -> usize {
        self.numbers.keys().map(|text| text.len() + 48).sum()
    }
}

impl<'a> Loader<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let (depth, parts, documents) = (Cell::new(0), Cell::new(0), Cell::new(0));
        Self { graph, depth, parts, documents, symbols: RefCell::default() }
    }

    pub(super) fn root(&'a self) -> View<'a> {
        View { loader: self, id: self.graph.root() }
    }

    pub(super) fn into_symbols(self) -> Symbols {
        self.symbols.into_inner()
    }

    /// The number that stands for a text in blocks.
    pub(super) fn symbol(&self, text: &str) -> f64 {
        let mut symbols = self.symbols.borrow_mut();
        let next = symbols.numbers.len() as u32;
        f64::from(*symbols.numbers.entry(text.to_owned()).or_insert(next))
    }

    /// Runs `build` one estimator deeper.
    pub(super) fn deeper<T>(&self, build: impl FnOnce() -> Made<T>) -> Made<T> {
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

/// A value of the graph.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) loader: &'a Loader<'a>,
    id: Id,
}

impl<'a> View<'a> {
    fn to(self, id: Id) -> Self {
        Self { id, ..self }
    }

    pub(super) fn value(self) -> &'a Value {
        self.loader.graph.get(self.id)
    }

    /// Qualified name of an object's class.
    pub(super) fn class(self) -> &'a str {
        match self.value() {
            Value::Object(object) => &object.class,
            Value::Global(name) => name,
            _ => "",
        }
    }

    /// The class's own name.
    pub(super) fn name(self) -> &'a str {
        self.class().rsplit('.').next().unwrap_or_default()
    }

    /// Entries of a dict, or of an object's state.
    fn entries(self) -> &'a [(Id, Id)] {
        let state = match self.value() {
            Value::Dict(entries) => return entries,
            Value::Object(object) => match object.state {
                Some(state) => self.to(state),
                None => return &object.entries,
            },
            _ => return &[],
        };
        match state.value() {
            Value::Dict(entries) => entries,
            // The state of a class with slots: its dict, then the slots.
            Value::Tuple(parts) => match parts.first().map(|&id| self.to(id).value()) {
                Some(Value::Dict(entries)) => entries,
                _ => &[],
            },
            _ => &[],
        }
    }

    /// An attribute, when it is there and not `None`.
    pub(super) fn find(self, name: &str) -> Option<Self> {
        self.entry(name).filter(|found| *found.value() != Value::None)
    }

    /// An attribute, when it is there.
    fn entry(self, name: &str) -> Option<Self> {
        let same = |key: Id| matches!(self.to(key).value(), Value::Text(key) if key == name);
        // The last of equal keys counts, as in a dict.
        self.entries().iter().rev().find(|(key, _)| same(*key)).map(|(_, value)| self.to(*value))
    }

    /// Whether an attribute is there and `None`.
    pub(super) fn is_none(self, name: &str) -> bool {
        self.entry(name).is_some_and(|found| *found.value() == Value::None)
    }

    /// An attribute that must be there.
    pub(super) fn get(self, name: &str) -> Made<Self> {
        match self.find(name) {
            Some(found) => Ok(found),
            None => python(format!("{} has no attribute '{name}'", self.name())),
        }
    }

    pub(super) fn wrong<T>(self, what: &str) -> Made<T> {
        python(format!("an attribute is not {what}: {}", kind(self.value())))
    }

    /// The arguments an object was made from.
    pub(super) fn args(self) -> Vec<Self> {
        match self.value() {
            Value::Object(object) => object.args.map(|args| self.to(args).items()).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The items of an object's state that is a tuple.
    pub(super) fn state(self) -> Vec<Self> {
        match self.value() {
            Value::Object(object) => object.state.map(|state| self.to(state).items()).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The items of a list, tuple, set or array of objects; none of anything else.
    pub(super) fn items(self) -> Vec<Self> {
        match self.value() {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().map(|&id| self.to(id)).collect(),
            Value::Array(array) => match &array.data {
                Data::Objects(items) => items.iter().map(|&id| self.to(id)).collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Text keys and values.
    pub(super) fn pairs(self) -> Vec<(Self, Self)> {
        self.entries().iter().map(|(key, value)| (self.to(*key), self.to(*value))).collect()
    }

    pub(super) fn text(self) -> Option<&'a str> {
        match self.value() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(self) -> Option<f64> {
        match self.value() {
            Value::Float(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
            Value::Array(array) if array.count() == 1 => array.floats().and_then(|items| items.first().copied()),
            _ => None,
        }
    }

    pub(super) fn int(self) -> Option<i64> {
        match self.value() {
            Value::Int(number) => Some(*number),
            Value::Bool(truth) => Some(i64::from(*truth)),
            Value::Array(array) if array.count() == 1 => array.ints().and_then(|items| items.first().copied()),
            _ => None,
        }
    }

    pub(super) fn truth(self) -> bool {
        matches!(self.value(), Value::Bool(true))
    }

    /// An attribute that is text; empty where it is none.
    pub(super) fn word(self, name: &str) -> &'a str {
        self.find(name).and_then(View::text).unwrap_or_default()
    }

    /// An attribute that is a truth value.
    pub(super) fn flag(self, name: &str) -> bool {
        self.find(name).is_some_and(View::truth)
    }

    pub(super) fn float_of(self, name: &str) -> Made<f64> {
        let found = self.get(name)?;
        found.number().map_or_else(|| found.wrong("a number"), Ok)
    }

    pub(super) fn count_of(self, name: &str) -> Made<usize> {
        let found = self.get(name)?;
        found.int().and_then(|number| usize::try_from(number).ok()).map_or_else(|| found.wrong("a count"), Ok)
    }

    pub(super) fn array(self) -> Made<&'a Array> {
        match self.value() {
            Value::Array(array) => Ok(array),
            _ => self.wrong("an array"),
        }
    }

    /// An attribute's numbers: an array of any shape, a list of numbers, or one number.
    pub(super) fn floats_of(self, name: &str) -> Made<Vec<f64>> {
        self.get(name)?.floats()
    }

    pub(super) fn floats(self) -> Made<Vec<f64>> {
        match self.value() {
            Value::Array(array) => array.floats().map_or_else(|| self.wrong("an array of numbers"), Ok),
            Value::List(_) | Value::Tuple(_) => {
                self.items().into_iter().map(View::number).collect::<Option<_>>().map_or_else(|| self.wrong("numbers"), Ok)
            }
            _ => self.number().map_or_else(|| self.wrong("numbers"), |number| Ok(vec![number])),
        }
    }

    /// Whole numbers: an array of any shape, or a list of them.
    pub(super) fn ints(self) -> Made<Vec<i64>> {
        let found = match self.value() {
            Value::Array(array) => array.ints(),
            _ => self.items().into_iter().map(View::int).collect(),
        };
        found.map_or_else(|| self.wrong("whole numbers"), Ok)
    }

    /// A matrix and its number of rows and columns; a vector is one row. A sparse matrix is given with its zeros.
    pub(super) fn matrix_of(self, name: &str) -> Made<(Vec<f64>, usize, usize)> {
        let found = self.get(name)?;
        if csr::CLASSES.contains(&found.class()) {
            return csr::spread(found);
        }
        let array = found.array()?;
        let (rows, columns) = match *array.shape.as_slice() {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            _ => return found.wrong("a matrix"),
        };
        Ok((found.floats()?, rows, columns))
    }

    /// Whether an attribute is an array of single precision, or a sparse matrix of such.
    pub(super) fn is_single(self, name: &str) -> bool {
        let found = self.find(name);
        let values = found.filter(|found| csr::CLASSES.contains(&found.class())).and_then(|matrix| matrix.find("data")).or(found);
        matches!(values.map(View::value), Some(Value::Array(array)) if array.dtype.size == 4 && matches!(array.data, Data::Floats(_)))
    }

    /// Texts of an array or list of nothing else.
    pub(super) fn texts(self) -> Option<Vec<String>> {
        match self.value() {
            Value::Array(array) => match &array.data {
                Data::Texts(texts) => Some(texts.clone()),
                Data::Objects(_) => self.items().into_iter().map(|item| item.text().map(str::to_owned)).collect(),
                _ => None,
            },
            _ => self.items().into_iter().map(|item| item.text().map(str::to_owned)).collect(),
        }
    }

    /// What another view of the same graph is.
    pub(super) fn at(self, id: Id) -> Self {
        self.to(id)
    }

    /// The version of scikit-learn that fitted the estimator, as (major, minor).
    pub(super) fn version(self) -> (u32, u32) {
        let [major, minor, _] = self.release();
        (major, minor)
    }

    /// The same as (major, minor, patch).
    pub(super) fn release(self) -> [u32; 3] {
        let mut parts = self.word("_sklearn_version").split('.').map(|part| part.parse().unwrap_or(0));
        [0; 3].map(|_: u32| parts.next().unwrap_or(0))
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::None => "None".into(),
        Value::Bool(_) => "a truth value".into(),
        Value::Int(_) | Value::Huge | Value::Float(_) => "a number".into(),
        Value::Text(_) => "text".into(),
        Value::Bytes(_) => "bytes".into(),
        Value::List(_) => "a list".into(),
        Value::Tuple(_) => "a tuple".into(),
        Value::Set(_) => "a set".into(),
        Value::Dict(_) => "a dict".into(),
        Value::Global(name) => name.clone(),
        Value::Dtype(_) => "a type".into(),
        Value::Array(array) => format!("an array of shape {:?}", array.shape),
        Value::Object(object) => object.class.clone(),
    }
}
