//! numpy's arrays: their types, their bytes, and the `.npy` file around them.

mod dtype;
mod header;

pub use dtype::{Dtype, Field, Kind};

use std::borrow::Cow;

use bytes::Bytes;

use super::{invalid, objects::Id, unread};
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
        if count.checked_mul(size) != Some(bytes.len()) {
            return Err(invalid(format!(
                "an array of shape {shape:?} and items of {size} bytes cannot have {} bytes",
                bytes.len()
            )));
        }
        if size == 0 && count > 0 {
            return Err(unread("items of no bytes are not read"));
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
            return Err(unread("a .npy file of Python objects is not read"));
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
        let (bytes, field) = self.records(name)?;
        let records = bytes.chunks_exact(self.dtype.size);
        let items: Vec<u8> = records.flat_map(|record| &record[field.offset..][..field.dtype.size]).copied().collect();
        Self::decode(&field.dtype, self.shape.clone(), false, &items, None).ok()
    }

    /// One field of records as numbers of type `i64`, where it holds whole numbers that fit or truth values.
    pub fn int_column(&self, name: &str) -> Option<Column<'_, 8>> {
        self.column(name, Kind::Int, |field| Some(field.ints()?.into_iter().map(i64::to_le_bytes).collect()))
    }

    /// One field of records as numbers of type `f64`, where it holds floating-point numbers.
    pub fn float_column(&self, name: &str) -> Option<Column<'_, 8>> {
        self.column(name, Kind::Float, |field| match field.data {
            Data::Floats(items) => Some(items.into_iter().map(f64::to_le_bytes).collect()),
            _ => None,
        })
    }

    /// One field of records as bytes that are zero where it is, where it holds whole numbers or truth values.
    pub fn flag_column(&self, name: &str) -> Option<Column<'_, 1>> {
        self.column(name, Kind::Uint, |field| Some(field.ints()?.into_iter().map(|flag| [u8::from(flag != 0)]).collect()))
    }

    fn column<const SIZE: usize>(
        &self,
        name: &str,
        kind: Kind,
        convert: impl Fn(Self) -> Option<Vec<[u8; SIZE]>>,
    ) -> Option<Column<'_, SIZE>> {
        let (bytes, field) = self.records(name)?;
        Some(match (field.dtype.kind, field.dtype.size, field.dtype.big_endian) == (kind, SIZE, false) {
            true => Column { bytes: bytes.get(field.offset..)?.into(), step: self.dtype.size },
            false => Column { bytes: convert(self.field(name)?)?.into_flattened().into(), step: SIZE },
        })
    }

    /// The bytes of records, and one of their fields.
    fn records(&self, name: &str) -> Option<(&Bytes, &Field)> {
        let Data::Records(bytes) = &self.data else { return None };
        Some((bytes, self.dtype.fields.iter().find(|field| field.name == name)?))
    }
}

/// One field of an array of records, to be read item by item: where it lies, or converted once where it lies there otherwise.
#[derive(Debug)]
pub struct Column<'a, const SIZE: usize> {
    /// Beginning with the first item.
    bytes: Cow<'a, [u8]>,
    /// Bytes from one item to the next.
    step: usize,
}

impl<const SIZE: usize> Column<'_, SIZE> {
    /// An item, the least significant byte first.
    ///
    /// # Panics
    /// There is no such item.
    #[inline(always)]
    pub fn get(&self, at: usize) -> [u8; SIZE] {
        let mut item = [0; SIZE];
        item.copy_from_slice(&self.bytes[at * self.step..][..SIZE]);
        item
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
            Self::Records(_) => return Err(unread("a matrix of records in Fortran order is not read")),
            Self::Opaque => Self::Opaque,
        })
    }
}

#[cfg(test)]
mod tests;
