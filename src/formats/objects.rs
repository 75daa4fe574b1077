//! A graph of Python objects as data, as pickles and skops archives hold it. Nothing in it was run: an object is the name of its
//! class, what it was made from and its state.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    npy::{Array, Dtype},
    unread,
};
use crate::error::Result;

/// How many values a graph may hold.
pub const MAX_VALUES: usize = 1 << 23;

/// A value's place in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u32);

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number of more than 64 bits.
    Huge,
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
    /// A list.
    List(Vec<Id>),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A set.
    Set(Vec<Id>),
    /// Keys and values, in their order.
    Dict(Vec<(Id, Id)>),
    /// A class or function, by its qualified name.
    Global(String),
    /// A type of numpy.
    Dtype(Dtype),
    /// An array or numpy scalar.
    Array(Box<Array>),
    /// Anything else.
    Object(Box<Object>),
}

/// An object of a class, or what a function returned, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object {
    /// Qualified name of the class or function.
    pub class: String,
    /// The tuple it was made from.
    pub args: Option<Id>,
    /// The state set afterwards.
    pub state: Option<Id>,
    /// What was appended, for classes that are lists or sets.
    pub items: Vec<Id>,
    /// What was set by key, for classes that are dicts.
    pub entries: Vec<(Id, Id)>,
}

/// Values that refer to each other, cycles included.
#[derive(Debug)]
pub struct Graph {
    values: Vec<Value>,
    root: Id,
    globals: BTreeSet<String>,
}

impl Graph {
    pub(super) fn new() -> Self {
        Self {
            values: vec![Value::None, Value::Bool(false), Value::Bool(true), Value::Tuple(Vec::new())],
            root: Self::NONE,
            globals: BTreeSet::new(),
        }
    }

    pub(super) const NONE: Id = Id(0);
    pub(super) const EMPTY: Id = Id(3);

    pub(super) const fn truth(truth: bool) -> Id {
        if truth { Id(2) } else { Id(1) }
    }

    pub(super) fn push(&mut self, value: Value) -> Result<Id> {
        if self.values.len() >= MAX_VALUES {
            return Err(unread(format!("more than {MAX_VALUES} values")));
        }
        let id = Id(self.values.len() as u32);
        self.values.push(value);
        Ok(id)
    }

    pub(super) fn global(&mut self, name: String) -> Result<Id> {
        self.globals.insert(name.clone());
        self.push(Value::Global(name))
    }

    /// Notes a class that is referred to otherwise than by a [`Value::Global`].
    pub(super) fn refers_to(&mut self, name: &str) {
        if !self.globals.contains(name) {
            self.globals.insert(name.to_owned());
        }
    }

    pub(super) fn get_mut(&mut self, id: Id) -> &mut Value {
        &mut self.values[id.0 as usize]
    }

    pub(super) fn finish(mut self, root: Id) -> Self {
        self.root = root;
        self
    }

    /// A value.
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id.0 as usize]
    }

    /// All values, in the order in which they were made.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }

    /// The value the file is of.
    pub fn root(&self) -> Id {
        self.root
    }

    /// Qualified names of every class and function the file refers to, sorted.
    pub fn globals(&self) -> impl Iterator<Item = &str> {
        self.globals.iter().map(String::as_str)
    }
}
