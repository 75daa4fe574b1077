//! The type of an array's items.

use bytes::Bytes;
use half::f16;

use super::Data;
use crate::{
    error::Result,
    formats::{invalid, unread},
};

/// How many fields a record may have.
const MAX_FIELDS: usize = 256;

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A truth value.
    Bool,
    /// A signed whole number.
    Int,
    /// An unsigned whole number.
    Uint,
    /// A floating-point number.
    Float,
    /// Text of a fixed length in UTF-32.
    Text,
    /// A Python object.
    Object,
    /// Named fields.
    Record,
    /// Bytes, times, complex numbers: nothing here reads them.
    Other,
}

/// The type of an array's items.
#[derive(Debug, Clone, PartialEq)]
pub struct Dtype {
    /// What an item is.
    pub kind: Kind,
    /// Bytes of one item.
    pub size: usize,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
    /// The fields of a record.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub dtype: Dtype,
    /// Where in the record it begins.
    pub offset: usize,
}

impl Dtype {
    pub(crate) fn plain(kind: Kind, size: usize) -> Self {
        Self { kind, size, big_endian: false, fields: Vec::new() }
    }

    /// From numpy's short form: `<f8`, `f8`, `|b1`, `U12`, `O`.
    pub(crate) fn from_code(code: &str) -> Result<Self> {
        let (order, rest) = match code.as_bytes().first() {
            Some(b'<' | b'>' | b'|' | b'=') => (code.as_bytes()[0], &code[1..]),
            _ => (b'<', code),
        };
        let unknown = || unread(format!("'{code}' is no type of an array's items that is read"));
        let letter = rest.chars().next().filter(char::is_ascii).ok_or_else(unknown)?;
        // What follows in brackets is the unit of a time.
        let digits = rest[1..].split('[').next().unwrap_or_default();
        let number: Option<usize> = if digits.is_empty() { None } else { Some(digits.parse().map_err(|_| unknown())?) };
        if number.is_some_and(|number| number > 1 << 28) {
            return Err(unknown());
        }
        let (kind, size) = match (letter, number) {
            ('?', None) | ('b', Some(1)) => (Kind::Bool, 1),
            ('i', Some(size @ (1 | 2 | 4 | 8))) => (Kind::Int, size),
            ('u', Some(size @ (1 | 2 | 4 | 8))) => (Kind::Uint, size),
            ('f', Some(size @ (2 | 4 | 8))) => (Kind::Float, size),
            ('U', Some(characters)) => (Kind::Text, characters * 4),
            ('O', _) => (Kind::Object, 8),
            ('S' | 'V' | 'M' | 'm' | 'c' | 'f' | 'a', Some(size)) => (Kind::Other, size),
            _ => return Err(unknown()),
        };
        Ok(Self { kind, size, big_endian: order == b'>', fields: Vec::new() })
    }

    /// A record with this many bytes.
    pub(crate) fn record(fields: Vec<Field>, size: usize) -> Result<Self> {
        if size == 0 {
            return Err(unread("a record of no bytes"));
        }
        if fields.len() > MAX_FIELDS {
            return Err(unread(format!("a record of {} fields, at most {MAX_FIELDS} are read", fields.len())));
        }
        for field in &fields {
            if field.offset.checked_add(field.dtype.size).is_none_or(|end| end > size) {
                return Err(invalid(format!("the field '{}' lies outside its record of {size} bytes", field.name)));
            }
            if field.dtype.kind == Kind::Object {
                return Err(unread(format!("the field '{}' holds Python objects", field.name)));
            }
        }
        Ok(Self { kind: Kind::Record, size, big_endian: false, fields })
    }

    /// Whole items from their bytes, `bytes.len()` being a multiple of the size.
    pub(super) fn decode(&self, bytes: &[u8], owner: Option<&Bytes>) -> Result<Data> {
        macro_rules! numbers {
            ($type:ty, $wide:ty) => {
                bytes
                    .chunks_exact(size_of::<$type>())
                    .map(|chunk| {
                        let mut item = [0; size_of::<$type>()];
                        item.copy_from_slice(chunk);
                        <$wide>::from(if self.big_endian { <$type>::from_be_bytes(item) } else { <$type>::from_le_bytes(item) })
                    })
                    .collect()
            };
        }
        Ok(match (self.kind, self.size) {
            (Kind::Bool, _) => Data::Bools(bytes.iter().map(|&byte| byte != 0).collect()),
            (Kind::Int, 1) => Data::Ints(numbers!(i8, i64)),
            (Kind::Int, 2) => Data::Ints(numbers!(i16, i64)),
            (Kind::Int, 4) => Data::Ints(numbers!(i32, i64)),
            (Kind::Int, 8) => Data::Ints(numbers!(i64, i64)),
            (Kind::Uint, 1) => Data::Uints(numbers!(u8, u64)),
            (Kind::Uint, 2) => Data::Uints(numbers!(u16, u64)),
            (Kind::Uint, 4) => Data::Uints(numbers!(u32, u64)),
            (Kind::Uint, 8) => Data::Uints(numbers!(u64, u64)),
            (Kind::Float, 2) => Data::Floats(numbers!(f16, f64)),
            (Kind::Float, 4) => Data::Floats(numbers!(f32, f64)),
            (Kind::Float, 8) => Data::Floats(numbers!(f64, f64)),
            (Kind::Text, size) if size > 0 => {
                Data::Texts(bytes.chunks_exact(size).map(|item| self.text(item)).collect::<Result<_>>()?)
            }
            (Kind::Record, _) => {
                Data::Records(owner.map_or_else(|| Bytes::copy_from_slice(bytes), |owner| owner.slice_ref(bytes)))
            }
            (Kind::Object, _) => return Err(invalid("Python objects cannot be read from an array's bytes")),
            _ => Data::Opaque,
        })
    }

    fn text(&self, item: &[u8]) -> Result<String> {
        let mut text = String::new();
        let mut zeros = 0;
        for chunk in item.chunks_exact(4) {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(chunk);
            let code = if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
            // Only zeros at the end are padding.
            if code == 0 {
                zeros += 1;
                continue;
            }
            text.extend(std::iter::repeat_n('\0', zeros));
            zeros = 0;
            text.push(char::from_u32(code).ok_or_else(|| unread(format!("{code:#x} is no character")))?);
        }
        Ok(text)
    }
}
