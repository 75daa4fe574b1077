//! Reads attributes of pickled Python objects out of an object graph.

use super::{
    csr,
    obstacle::{Made, python},
};
use crate::formats::{
    npy::{Array, Data},
    objects::{Graph, Id, Value},
};

/// A value of a graph with accessors for each kind of Python object. `C` is the type of what its reader keeps track of.
pub struct View<'a, C = ()> {
    graph: &'a Graph,
    id: Id,
    pub loader: &'a C,
}

impl<C> Clone for View<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for View<'_, C> {}

impl<'a> View<'a> {
    /// The object that was pickled.
    pub fn root(graph: &'a Graph) -> Self {
        Self::root_for(graph, &())
    }
}

impl<'a, C> View<'a, C> {
    /// The same for a reader that keeps track of something.
    pub fn root_for(graph: &'a Graph, loader: &'a C) -> Self {
        Self { graph, id: graph.root(), loader }
    }

    fn to(self, id: Id) -> Self {
        Self { id, ..self }
    }

    pub fn value(self) -> &'a Value {
        self.graph.get(self.id)
    }

    /// Qualified name of an object's class.
    pub fn class(self) -> &'a str {
        match self.value() {
            Value::Object(object) => &object.class,
            Value::Global(name) => name,
            _ => "",
        }
    }

    /// The class's own name.
    pub fn name(self) -> &'a str {
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
    pub fn find(self, name: &str) -> Option<Self> {
        self.entry(name).filter(|found| *found.value() != Value::None)
    }

    /// An attribute, when it is there.
    fn entry(self, name: &str) -> Option<Self> {
        let same = |key: Id| matches!(self.to(key).value(), Value::Text(key) if key == name);
        // The last of equal keys counts, as in a dict.
        self.entries().iter().rev().find(|(key, _)| same(*key)).map(|(_, value)| self.to(*value))
    }

    /// Whether an attribute is there and `None`.
    pub fn is_none(self, name: &str) -> bool {
        self.entry(name).is_some_and(|found| *found.value() == Value::None)
    }

    /// An attribute that must be there.
    pub fn get(self, name: &str) -> Made<Self> {
        match self.find(name) {
            Some(found) => Ok(found),
            None => python(format!("{} has no attribute '{name}'", self.name())),
        }
    }

    pub fn wrong<T>(self, what: &str) -> Made<T> {
        python(format!("an attribute is not {what}: {}", kind(self.value())))
    }

    /// The arguments an object was made from.
    pub fn args(self) -> Vec<Self> {
        match self.value() {
            Value::Object(object) => object.args.map(|args| self.to(args).items()).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The items of an object's state that is a tuple.
    pub fn state(self) -> Vec<Self> {
        match self.value() {
            Value::Object(object) => object.state.map(|state| self.to(state).items()).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The items of a list, tuple, set or array of objects; none of anything else.
    pub fn items(self) -> Vec<Self> {
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
    pub fn pairs(self) -> Vec<(Self, Self)> {
        self.entries().iter().map(|(key, value)| (self.to(*key), self.to(*value))).collect()
    }

    pub fn text(self) -> Option<&'a str> {
        match self.value() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn number(self) -> Option<f64> {
        match self.value() {
            Value::Float(number) => Some(*number),
            Value::Int(number) => Some(*number as f64),
            Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
            Value::Array(array) if array.count() == 1 => array.floats().and_then(|items| items.first().copied()),
            _ => None,
        }
    }

    pub fn int(self) -> Option<i64> {
        match self.value() {
            Value::Int(number) => Some(*number),
            Value::Bool(truth) => Some(i64::from(*truth)),
            Value::Array(array) if array.count() == 1 => array.ints().and_then(|items| items.first().copied()),
            _ => None,
        }
    }

    pub fn truth(self) -> bool {
        matches!(self.value(), Value::Bool(true))
    }

    /// An attribute that is text; empty where it is none.
    pub fn word(self, name: &str) -> &'a str {
        self.find(name).and_then(View::text).unwrap_or_default()
    }

    /// An attribute that is a truth value.
    pub fn flag(self, name: &str) -> bool {
        self.find(name).is_some_and(View::truth)
    }

    pub fn float_of(self, name: &str) -> Made<f64> {
        let found = self.get(name)?;
        found.number().map_or_else(|| found.wrong("a number"), Ok)
    }

    pub fn count_of(self, name: &str) -> Made<usize> {
        let found = self.get(name)?;
        found.int().and_then(|number| usize::try_from(number).ok()).map_or_else(|| found.wrong("a count"), Ok)
    }

    pub fn array(self) -> Made<&'a Array> {
        match self.value() {
            Value::Array(array) => Ok(array),
            _ => self.wrong("an array"),
        }
    }

    /// An attribute's numbers: an array of any shape, a list of numbers, or one number.
    pub fn floats_of(self, name: &str) -> Made<Vec<f64>> {
        self.get(name)?.floats()
    }

    pub fn floats(self) -> Made<Vec<f64>> {
        match self.value() {
            Value::Array(array) => array.floats().map_or_else(|| self.wrong("an array of numbers"), Ok),
            Value::List(_) | Value::Tuple(_) => {
                self.items().into_iter().map(View::number).collect::<Option<_>>().map_or_else(|| self.wrong("numbers"), Ok)
            }
            _ => self.number().map_or_else(|| self.wrong("numbers"), |number| Ok(vec![number])),
        }
    }

    /// Whole numbers: an array of any shape, or a list of them.
    pub fn ints(self) -> Made<Vec<i64>> {
        let found = match self.value() {
            Value::Array(array) => array.ints(),
            _ => self.items().into_iter().map(View::int).collect(),
        };
        found.map_or_else(|| self.wrong("whole numbers"), Ok)
    }

    /// A matrix and its number of rows and columns; a vector is one row. A sparse matrix is given with its zeros.
    pub fn matrix_of(self, name: &str) -> Made<(Vec<f64>, usize, usize)> {
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
    pub fn is_single(self, name: &str) -> bool {
        let found = self.find(name);
        let values = found.filter(|found| csr::CLASSES.contains(&found.class())).and_then(|matrix| matrix.find("data")).or(found);
        matches!(values.map(View::value), Some(Value::Array(array)) if array.dtype.size == 4 && matches!(array.data, Data::Floats(_)))
    }

    /// The texts of an array or list that has nothing else.
    pub fn texts(self) -> Option<Vec<String>> {
        match self.value() {
            Value::Array(array) => match &array.data {
                Data::Texts(texts) => Some(texts.clone()),
                Data::Objects(_) => self.items().into_iter().map(|item| item.text().map(str::to_owned)).collect(),
                _ => None,
            },
            _ => self.items().into_iter().map(|item| item.text().map(str::to_owned)).collect(),
        }
    }

    /// Another value of the same graph.
    pub fn at(self, id: Id) -> Self {
        self.to(id)
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
