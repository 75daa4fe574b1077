//! The stack machine that a pickle is a program of. It keeps names where Python would import, and argument lists where Python
//! would call.

use std::collections::HashMap;

use bytes::Bytes;

use super::{CHANGED, COMPUTED, MAX_MARKS, MAX_MEMO, MAX_OPCODES, joblib, numpy, stream::Stream};
use crate::{
    error::{Error, Result},
    formats::{
        invalid,
        objects::{Graph, Id, Object, Value},
        unread,
    },
};

/// The newest protocol that is known.
const MAX_PROTOCOL: u8 = 5;

pub(super) struct Machine<'a> {
    pub(super) stream: Stream<'a>,
    pub(super) graph: Graph,
    pub(super) budget: Budget,
    pub(super) stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    opcodes: usize,
    /// How many pickles this one is inside of.
    pub(super) depth: usize,
}

/// What may still be copied out of the file. A pickle may refer to the same bytes again and again.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn spend(&mut self, bytes: usize) -> Result<()> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| unread("its values take many times the size of the file"))?;
        Ok(())
    }
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self {
            stream: Stream::new(bytes),
            graph: Graph::new(),
            budget: Budget(bytes.len().saturating_mul(4).saturating_add(1 << 16)),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            opcodes: 0,
            depth: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<Graph> {
        let root = self.program()?;
        Ok(self.graph.finish(root))
    }

    /// A pickle inside this one, as joblib writes arrays of objects: its memo and stack are its own.
    pub(super) fn nested(&mut self) -> Result<Id> {
        let outer = (std::mem::take(&mut self.stack), std::mem::take(&mut self.marks), std::mem::take(&mut self.memo));
        let root = self.program();
        (self.stack, self.marks, self.memo) = outer;
        root
    }

    fn program(&mut self) -> Result<Id> {
        loop {
            let at = self.stream.position();
            self.opcodes += 1;
            if self.opcodes > MAX_OPCODES {
                return Err(unread(format!("more than {MAX_OPCODES} opcodes")));
            }
            let opcode = self.stream.byte()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode).map_err(|error| at_byte(error, at))?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            // PROTO, FRAME: how it was written, not what.
            0x80 => match self.stream.byte()? {
                0..=MAX_PROTOCOL => {}
                newer => return Err(unread(format!("protocol {newer} is not read"))),
            },
            0x95 => drop(self.stream.array::<8>()?),
            b'N' => self.stack.push(Graph::NONE),
            0x88 => self.stack.push(Graph::truth(true)),
            0x89 => self.stack.push(Graph::truth(false)),
            b'J' => {
                let number = i32::from_le_bytes(self.stream.array()?);
                self.int(number.into())?;
            }
            b'K' => {
                let number = self.stream.byte()?;
                self.int(number.into())?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.stream.array()?);
                self.int(number.into())?;
            }
            b'I' | b'L' => self.int_line()?,
            0x8a => {
                let length = self.stream.length(1)?;
                self.long(length)?;
            }
            0x8b => {
                let length = self.stream.length(4)?;
                self.long(length)?;
            }
            b'G' => {
                let number = f64::from_be_bytes(self.stream.array()?);
                self.push(Value::Float(number))?;
            }
            b'F' => {
                let line = self.stream.text_line()?;
                // Python lets single underscores stand between digits.
                let number = line.trim().replace('_', "").parse().map_err(|_| invalid(format!("'{line}' is no number")))?;
                self.push(Value::Float(number))?;
            }
            // Text: SHORT_BINUNICODE, BINUNICODE, BINUNICODE8, UNICODE; BINSTRING and SHORT_BINSTRING are Python 2's bytes.
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'V' => self.escaped_text()?,
            b'S' => self.quoted_text()?,
            b'U' => self.old_text(1)?,
            b'T' => self.old_text(4)?,
            // Bytes: SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8.
            b'C' => self.bytes(1)?,
            b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b')' => self.stack.push(Graph::EMPTY),
            0x8f => self.push(Value::Set(Vec::new()))?,
            b'(' => {
                if self.marks.len() >= MAX_MARKS {
                    return Err(unread(format!("values nest deeper than {MAX_MARKS}")));
                }
                self.marks.push(self.stack.len());
            }
            b'l' => {
                let items = self.since_mark()?;
                self.push(Value::List(items))?;
            }
            b't' => {
                let items = self.since_mark()?;
                self.tuple(items)?;
            }
            0x91 => {
                let items = self.since_mark()?;
                self.push(Value::Set(items))?;
            }
            b'd' => {
                let entries = self.pairs_since_mark()?;
                self.push(Value::Dict(entries))?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode) - 0x84;
                let from = self.stack.len().checked_sub(count).filter(|&from| from >= self.floor()).ok_or_else(underflow)?;
                let items = self.stack.split_off(from);
                self.tuple(items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.extend(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![(key, value)])?;
            }
            b'u' => {
                let entries = self.pairs_since_mark()?;
                self.insert(entries)?;
            }
            b'0' => match self.stack.len() > self.floor() {
                true => drop(self.pop()?),
                false => drop(self.since_mark()?),
            },
            b'1' => drop(self.since_mark()?),
            b'2' => self.stack.push(self.top()?),
            _ => return self.remember_or_make(opcode),
        }
        Ok(())
    }

    /// Opcodes of the memo, of classes and of calls.
    fn remember_or_make(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            0x94 => {
                let number = self.memo.len() as u64;
                self.remember(number)?;
            }
            b'q' => {
                let number = self.stream.byte()?;
                self.remember(number.into())?;
            }
            b'r' => {
                let number = u32::from_le_bytes(self.stream.array()?);
                self.remember(number.into())?;
            }
            b'p' => {
                let number = self.number_line()?;
                self.remember(number)?;
            }
            b'h' => {
                let number = self.stream.byte()?;
                self.recall(number.into())?;
            }
            b'j' => {
                let number = u32::from_le_bytes(self.stream.array()?);
                self.recall(number.into())?;
            }
            b'g' => {
                let number = self.number_line()?;
                self.recall(number)?;
            }
            b'c' => {
                let (module, name) = (self.stream.text_line()?, self.stream.text_line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (self.graph.get(module), self.graph.get(name)) else {
                    return Err(invalid("a global's name is no text"));
                };
                let (module, name) = (module.clone(), name.clone());
                self.global(&module, &name)?;
            }
            b'R' | 0x81 => {
                let (args, callee) = (self.pop()?, self.pop()?);
                self.call(callee, args)?;
            }
            0x92 => {
                let (keywords, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                let pair = self.graph.push(Value::Tuple(vec![args, keywords]))?;
                self.call(class, pair)?;
            }
            b'o' => {
                let mut items = self.since_mark()?;
                if items.is_empty() {
                    return Err(underflow());
                }
                let class = items.remove(0);
                let args = self.graph.push(Value::Tuple(items))?;
                self.call(class, args)?;
            }
            b'i' => {
                let (module, name) = (self.stream.text_line()?, self.stream.text_line()?);
                let items = self.since_mark()?;
                self.global(module, name)?;
                let class = self.pop()?;
                let args = self.graph.push(Value::Tuple(items))?;
                self.call(class, args)?;
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                self.build(object, state)?;
            }
            // Persistent ids, extension codes and buffers kept elsewhere mean something only to the program that wrote them.
            b'P' => {
                self.stream.line()?;
                self.foreign("pickle.persistent_load")?;
            }
            b'Q' => {
                self.pop()?;
                self.foreign("pickle.persistent_load")?;
            }
            0x82..=0x84 => {
                self.stream.take([1, 2, 4][usize::from(opcode) - 0x82])?;
                self.foreign("copyreg.extension")?;
            }
            0x97 => self.foreign("pickle.next_buffer")?,
            0x98 => {}
            other => return Err(invalid(format!("{other:#04x} is no opcode"))),
        }
        Ok(())
    }

    fn foreign(&mut self, name: &str) -> Result<()> {
        let id = self.graph.global(name.to_owned())?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn push(&mut self, value: Value) -> Result<()> {
        let id = self.graph.push(value)?;
        self.stack.push(id);
        Ok(())
    }

    fn number_line(&mut self) -> Result<u64> {
        let line = self.stream.text_line()?;
        line.parse().map_err(|_| invalid(format!("'{line}' is no place of the memo")))
    }

    fn remember(&mut self, number: u64) -> Result<()> {
        if self.memo.len() >= MAX_MEMO {
            return Err(unread(format!("more than {MAX_MEMO} values in the memo")));
        }
        let top = self.top()?;
        self.memo.insert(number, top);
        Ok(())
    }

    fn recall(&mut self, number: u64) -> Result<()> {
        let id = self.memo.get(&number).copied().ok_or_else(|| invalid(format!("the memo has no value {number}")))?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let qualified = format!("{module}.{name}");
        self.budget.spend(qualified.len())?;
        let id = self.graph.global(qualified)?;
        self.stack.push(id);
        Ok(())
    }

    /// What Python would get by calling: an object that names the callee, or an array where numpy is called.
    fn call(&mut self, callee: Id, args: Id) -> Result<()> {
        let name = match self.graph.get(callee) {
            Value::Global(name) => name.clone(),
            // The result of a call is called, as where a class is pickled by value: nothing that is read here does this.
            _ => return self.foreign(COMPUTED),
        };
        if let Some(value) = numpy::call(self, &name, args)? {
            return self.push(value);
        }
        self.budget.spend(name.len())?;
        let (class, args) = match (name.as_str(), self.graph.get(args)) {
            // What Python 2 made of `__new__`.
            ("copyreg._reconstructor" | "copy_reg._reconstructor", Value::Tuple(parts)) => {
                let class = parts.first().map(|&class| self.graph.get(class));
                let Some(Value::Global(class)) = class else { return self.foreign(COMPUTED) };
                (class.clone(), None)
            }
            _ => (name, Some(args)),
        };
        self.push(Value::Object(Box::new(Object { class, args, ..Object::default() })))
    }

    /// Sets the state of an object.
    fn build(&mut self, object: Id, state: Id) -> Result<()> {
        if numpy::build(self, object, state)? {
            return Ok(());
        }
        let is_none = *self.graph.get(state) == Value::None;
        match self.graph.get_mut(object) {
            Value::Object(object) => object.state = Some(state),
            other if is_plain(other) && !is_none => {
                return Err(invalid("a state for something that has none"));
            }
            // Attributes of a class or function, or of a dict that is an object as well.
            _ => self.graph.refers_to(CHANGED),
        }
        joblib::array(self, object)
    }

    fn extend(&mut self, more: Vec<Id>) -> Result<()> {
        let target = self.top()?;
        match self.graph.get_mut(target) {
            Value::List(items) | Value::Set(items) => items.extend(more),
            Value::Object(object) => object.items.extend(more),
            Value::Dict(_) => return Err(invalid("an item for something that is no list")),
            other if is_plain(other) => return Err(invalid("an item for something that is no list")),
            _ => self.graph.refers_to(CHANGED),
        }
        Ok(())
    }

    fn insert(&mut self, more: Vec<(Id, Id)>) -> Result<()> {
        let target = self.top()?;
        match self.graph.get_mut(target) {
            Value::Dict(entries) => entries.extend(more),
            Value::Object(object) => object.entries.extend(more),
            Value::Set(_) => return Err(invalid("a key for something that is no dict")),
            other if is_plain(other) => return Err(invalid("a key for something that is no dict")),
            _ => self.graph.refers_to(CHANGED),
        }
        Ok(())
    }

    /// Where the values since the last mark begin.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id> {
        self.stack.last().copied().ok_or_else(underflow)
    }

    fn pop(&mut self) -> Result<Id> {
        match self.stack.len() > self.floor() {
            true => self.stack.pop().ok_or_else(underflow),
            false => Err(underflow()),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(underflow)?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn pairs_since_mark(&mut self) -> Result<Vec<(Id, Id)>> {
        let items = self.since_mark()?;
        match items.len() % 2 {
            0 => Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()),
            _ => Err(invalid("a key without a value")),
        }
    }
}

/// Whether Python never changes such a value.
fn is_plain(value: &Value) -> bool {
    use Value as V;
    matches!(value, V::None | V::Bool(_) | V::Int(_) | V::Huge | V::Float(_) | V::Text(_) | V::Tuple(_))
}

fn underflow() -> Error {
    invalid("the stack is empty")
}

fn at_byte(error: Error, at: usize) -> Error {
    error.context(format_args!("pickle, byte {at}"))
}
