//! numpy's arrays: their types, their bytes, and the `.npy` file around them.

mod dtype;
mod header;

pub use dtype::{Dtype, Field, Kind};

use std::borrow::Cow;

use bytes::Bytes;

use super::{invalid, objects::Id};
use crate::error::Result;

/// How many dimensions an array may have; numpy's own limit.
const MAX_DIMENSIONS: usize = 64;

/// An array, its items in C order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The items' type in the file.
    pub dtype: Dtype,
    /// Length of each dimension; empty for a scalar.
    pub shape: Vec<usize>,
    /// The items.
    pub data: Data,
}

/// The items of an array, widened to the widest type of their kind. Nothing is lost: [`Dtype`] says what they were.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Truth values.
    Bools(Vec<bool>),
    /// Signed whole numbers.
    Ints(Vec<i64>),
    /// Unsigned whole numbers.
    Uints(Vec<u64>),
    /// Floating-point numbers.
    Floats(Vec<f64>),
    /// Text.
    Texts(Vec<String>),
    /// Records, byte by byte as [`Dtype::fields`] lays them out.
    Records(Bytes),
    /// Python objects.
    Objects(Vec<Id>),
    /// Items of a type that nothing here reads (bytes, times, complex numbers).
    Opaque,
}

impl Array {
    /// Items from their bytes; `fortran` says that the first index runs fastest. Records stay where `owner` holds the bytes.
    pub fn decode(dtype: &Dtype, shape: Vec<usize>, fortran: bool, bytes: &[u8], owner: Option<&Bytes>) -> Result<Self> {
        let count = count(&shape)?;
        let size = dtype.size;
        if count.checked_mul(size) != Some(bytes.len()) || (size == 0 && count > 0) {
            return Err(invalid(format!(
                "an array of shape {shape:?} and items of {size} bytes cannot have {} bytes",
                bytes.len()
            )));
        }
        let data = dtype.decode(bytes, owner)?;
        let mut array = Self { dtype: dtype.clone(), shape, data };
        if fortran && array.shape.len() > 1 {
            array.data = array.data.in_c_order(&array.shape)?;
        }
        Ok(array)
    }

    /// An array of Python objects.
    pub fn of_objects(shape: Vec<usize>, items: Vec<Id>, fortran: bool) -> Result<Self> {
        if count(&shape)? != items.len() {
            return Err(invalid(format!("an array of shape {shape:?} cannot have {} objects", items.len())));
        }
        let data = if fortran { Data::Objects(items).in_c_order(&shape)? } else { Data::Objects(items) };
        Ok(Self { dtype: Dtype::plain(Kind::Object, 8), shape, data })
    }

    /// Reads a `.npy` file.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let header = header::read(bytes)?;
        if header.dtype.kind == Kind::Object {
            return Err(invalid("a .npy file of Python objects"));
        }
        Self::decode(&header.dtype, header.shape, header.fortran, header.items, None)
    }

    /// How many items there are.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The items as double-precision numbers, when they are numbers or truth values.
    pub fn floats(&self) -> Option<Vec<f64>> {
        self.doubles().map(Cow::into_owned)
    }

    /// The same, where they are if they are such.
    pub fn doubles(&self) -> Option<Cow<'_, [f64]>> {
        Some(match &self.data {
            Data::Floats(items) => items.into(),
            Data::Ints(items) => items.iter().map(|&item| item as f64).collect(),
            Data::Uints(items) => items.iter().map(|&item| item as f64).collect(),
            Data::Bools(items) => items.iter().map(|&item| f64::from(u8::from(item))).collect(),
            _ => return None,
        })
    }

    /// The items as whole numbers, when they are whole numbers that fit or truth values.
    pub fn ints(&self) -> Option<Vec<i64>> {
        match &self.data {
            Data::Ints(items) => Some(items.clone()),
            Data::Uints(items) => items.iter().map(|&item| i64::try_from(item).ok()).collect(),
            Data::Bools(items) => Some(items.iter().map(|&item| i64::from(item)).collect()),
            _ => None,
        }
    }

    /// The items of one field of records.
    pub fn field(&self, name: &str) -> Option<Self> {
        let field = self.items(name)?;
        let items: Vec<u8> = (0..self.count()).flat_map(|at| field.bytes(at)).copied().collect();
        Self::decode(field.dtype, self.shape.clone(), false, &items, None).ok()
    }

    /// One field of records, to be read item by item.
    pub fn items(&self, name: &str) -> Option<Items<'_>> {
        let Data::Records(bytes) = &self.data else { return None };
        let field = self.dtype.fields.iter().find(|field| field.name == name)?;
        // No field reaches beyond its record.
        let form = match (field.dtype.kind, field.dtype.size, field.dtype.big_endian) {
            (Kind::Int, 8, false) => Form::Int,
            (Kind::Float, 8, false) => Form::Float,
            (Kind::Uint, 1, _) => Form::Byte,
            _ => Form::Other,
        };
        Some(Items { bytes: bytes.get(field.offset..)?, record: self.dtype.size, dtype: &field.dtype, form })
    }
}

/// One field of an array of records.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    /// Beginning with the first item.
    bytes: &'a [u8],
    /// Bytes from one item to the next.
    record: usize,
    dtype: &'a Dtype,
    form: Form,
}

/// How items lie: most need no look at their type.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// 64 bits, the least significant byte first.
    Int,
    /// The same.
    Float,
    /// Unsigned.
    Byte,
    Other,
}

impl<'a> Items<'a> {
    #[inline(always)]
    fn first<const SIZE: usize>(&self, at: usize) -> Option<[u8; SIZE]> {
        self.bytes[at * self.record..].first_chunk().copied()
    }

    fn bytes(&self, at: usize) -> &'a [u8] {
        &self.bytes[at * self.record..][..self.dtype.size]
    }

    /// An item as a whole number, when it is a signed or short one or a truth value.
    ///
    /// # Panics
    /// There is no such item.
    #[inline(always)]
    pub fn int(&self, at: usize) -> Option<i64> {
        match self.form {
            Form::Int => self.first(at).map(i64::from_le_bytes),
            Form::Byte => self.first(at).map(|[byte]| byte.into()),
            _ => self.int_of(at),
        }
    }

    #[inline(never)]
    fn int_of(&self, at: usize) -> Option<i64> {
        let bits = self.dtype.unsigned(self.bytes(at))?;
        Some(match self.dtype.kind {
            Kind::Int => self.dtype.signed(bits),
            Kind::Uint => i64::try_from(bits).ok()?,
            Kind::Bool => i64::from(bits != 0),
            _ => return None,
        })
    }

    /// An item as a double-precision number, when it is a floating-point one of 32 or 64 bits.
    ///
    /// # Panics
    /// There is no such item.
    #[inline(always)]
    pub fn float(&self, at: usize) -> Option<f64> {
        match self.form {
            Form::Float => self.first(at).map(f64::from_le_bytes),
            _ => self.float_of(at),
        }
    }

    #[inline(never)]
    fn float_of(&self, at: usize) -> Option<f64> {
        let bits = self.dtype.unsigned(self.bytes(at))?;
        match (self.dtype.kind, self.dtype.size) {
            (Kind::Float, 8) => Some(f64::from_bits(bits)),
            (Kind::Float, 4) => Some(f32::from_bits(bits as u32).into()),
            _ => None,
        }
    }
}

/// How many items a shape has.
pub(super) fn count(shape: &[usize]) -> Result<usize> {
    let product = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
    match product.filter(|_| shape.len() <= MAX_DIMENSIONS) {
        Some(count) => Ok(count),
        None => Err(invalid(format!("no array can have {} dimensions of {shape:?}", shape.len()))),
    }
}

impl Data {
    fn in_c_order(self, shape: &[usize]) -> Result<Self> {
        // Where the item at a place of the C order lies in Fortran's.
        let mut strides = vec![1usize; shape.len()];
        for at in 1..shape.len() {
            strides[at] = strides[at - 1] * shape[at - 1];
        }
        fn reorder<T: Clone>(items: &[T], shape: &[usize], strides: &[usize]) -> Vec<T> {
            let mut index = vec![0usize; shape.len()];
            let mut from = 0;
            let mut out = Vec::with_capacity(items.len());
            for _ in 0..items.len() {
                out.push(items[from].clone());
                for at in (0..shape.len()).rev() {
                    index[at] += 1;
                    from += strides[at];
                    if index[at] < shape[at] {
                        break;
                    }
                    from -= strides[at] * shape[at];
                    index[at] = 0;
                }
            }
            out
        }
        Ok(match &self {
            Self::Bools(items) => Self::Bools(reorder(items, shape, &strides)),
            Self::Ints(items) => Self::Ints(reorder(items, shape, &strides)),
            Self::Uints(items) => Self::Uints(reorder(items, shape, &strides)),
            Self::Floats(items) => Self::Floats(reorder(items, shape, &strides)),
            Self::Texts(items) => Self::Texts(reorder(items, shape, &strides)),
            Self::Objects(items) => Self::Objects(reorder(items, shape, &strides)),
            Self::Records(_) => return Err(invalid("a matrix of records in Fortran order")),
            Self::Opaque => Self::Opaque,
        })
    }
}

#[cfg(test)]
mod tests;
