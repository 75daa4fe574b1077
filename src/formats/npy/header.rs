//! The header of a `.npy` file: a Python dict, written out.

use super::{Dtype, Field};
use crate::{
    error::Result,
    formats::{invalid, unread},
};

/// Bytes a header may have; numpy's own limit.
const MAX_HEADER: usize = 10_000;
/// How deep lists and tuples may nest in it.
const MAX_DEPTH: usize = 8;

pub(super) struct Header<'a> {
    pub(super) dtype: Dtype,
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
    pub(super) items: &'a [u8],
}

pub(super) fn read(bytes: &[u8]) -> Result<Header<'_>> {
    let cut = || invalid("the .npy file ends early");
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(|| invalid("not a .npy file"))?;
    let (major, rest) = match rest {
        [major @ 1..=3, _, rest @ ..] => (*major, rest),
        [major, ..] => return Err(unread(format!("version {major} of the .npy format is not known"))),
        [] => return Err(cut()),
    };
    let (length, rest) = match (major, rest) {
        (1, [a, b, rest @ ..]) => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        (2.., [a, b, c, d, rest @ ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err(cut()),
    };
    if length > MAX_HEADER {
        return Err(invalid(format!("a .npy header of {length} bytes, at most {MAX_HEADER} are read")));
    }
    let (header, items) = rest.split_at_checked(length).ok_or_else(cut)?;
    let text = std::str::from_utf8(header).map_err(|_| invalid("the .npy header is not UTF-8"))?;
    let Literal::Dict(entries) = (Parser { rest: text }).value(0)? else { return Err(invalid("the .npy header is no dict")) };
    let find = |key: &str| {
        let entry = entries.iter().find(|(name, _)| matches!(name, Literal::Text(name) if name == key));
        entry.map(|(_, value)| value).ok_or_else(|| invalid(format!("the .npy header has no '{key}'")))
    };
    let fortran = match find("fortran_order")? {
        Literal::Bool(fortran) => *fortran,
        _ => return Err(invalid("'fortran_order' of the .npy header is no truth value")),
    };
    Ok(Header { dtype: dtype(find("descr")?)?, fortran, shape: shape(find("shape")?)?, items })
}

fn shape(literal: &Literal) -> Result<Vec<usize>> {
    let Literal::List(items) = literal else { return Err(invalid("'shape' of the .npy header is no tuple")) };
    let length = |item: &Literal| match item {
        Literal::Int(length) => Ok(*length),
        _ => Err(invalid("'shape' of the .npy header holds something else than lengths")),
    };
    items.iter().map(length).collect()
}

fn dtype(literal: &Literal) -> Result<Dtype> {
    match literal {
        Literal::Text(code) => Dtype::from_code(code),
        Literal::List(items) => {
            let (mut fields, mut offset) = (Vec::new(), 0usize);
            for item in items {
                let Literal::List(parts) = item else { return Err(invalid("a field of a record is no tuple")) };
                let (name, code, count) = match parts.as_slice() {
                    [Literal::Text(name), Literal::Text(code)] => (name, code, 1),
                    [Literal::Text(name), Literal::Text(code), shape @ Literal::List(_)] => {
                        (name, code, super::count(&self::shape(shape)?)?)
                    }
                    _ => return Err(invalid("a field of a record is of a form that is not known")),
                };
                let dtype = Dtype::from_code(code)?;
                let size = dtype.size.checked_mul(count);
                let end = size.and_then(|size| offset.checked_add(size)).ok_or_else(|| invalid("a record is too large"))?;
                // A field without a name is padding, one with a shape is an array of its own.
                if !name.is_empty() && count == 1 {
                    fields.push(Field { name: name.clone(), dtype, offset });
                }
                offset = end;
            }
            Dtype::record(fields, offset)
        }
        _ => Err(invalid("'descr' of the .npy header is no type")),
    }
}

/// What a header is made of; tuples count as lists.
enum Literal {
    Text(String),
    Int(usize),
    Bool(bool),
    List(Vec<Literal>),
    Dict(Vec<(Literal, Literal)>),
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Literal> {
        if depth > MAX_DEPTH {
            return Err(invalid(format!("the .npy header nests deeper than {MAX_DEPTH}")));
        }
        self.rest = self.rest.trim_start();
        let broken = || invalid("the .npy header is broken");
        let first = self.rest.chars().next().ok_or_else(broken)?;
        match first {
            '\'' | '"' => {
                let text = &self.rest[1..];
                let end = text.find(first).ok_or_else(broken)?;
                self.rest = &text[end + 1..];
                match text[..end].contains('\\') {
                    true => Err(unread("escapes in a .npy header are not read")),
                    false => Ok(Literal::Text(text[..end].to_owned())),
                }
            }
            '(' | '[' => {
                self.rest = &self.rest[1..];
                let mut items = Vec::new();
                while !self.ends(if first == '(' { ')' } else { ']' }) {
                    items.push(self.value(depth + 1)?);
                    self.comma();
                }
                Ok(Literal::List(items))
            }
            '{' => {
                self.rest = &self.rest[1..];
                let mut entries = Vec::new();
                while !self.ends('}') {
                    let key = self.value(depth + 1)?;
                    self.rest = self.rest.trim_start().strip_prefix(':').ok_or_else(broken)?;
                    entries.push((key, self.value(depth + 1)?));
                    self.comma();
                }
                Ok(Literal::Dict(entries))
            }
            '0'..='9' => {
                let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
                let number = self.rest[..end].parse().map_err(|_| broken())?;
                // Python 2 wrote long integers with an L.
                self.rest = self.rest[end..].trim_start_matches('L');
                Ok(Literal::Int(number))
            }
            _ => {
                for (word, truth) in [("True", true), ("False", false)] {
                    if let Some(rest) = self.rest.strip_prefix(word) {
                        self.rest = rest;
                        return Ok(Literal::Bool(truth));
                    }
                }
                Err(broken())
            }
        }
    }

    fn ends(&mut self, bracket: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(bracket) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn comma(&mut self) {
        self.rest = self.rest.trim_start();
        self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
    }
}
