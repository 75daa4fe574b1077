//! Arrow columns as runs of numbers of either precision, NaN where there is no value.

use std::ops::Range;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    buffer::{BooleanBuffer, NullBuffer, ScalarBuffer},
    datatypes::{
        DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
        UInt32Type, UInt64Type,
    },
};
use half::f16;

use super::{block::Kind, prefetch::prefetch};

/// A column of numbers or truth values. Cheap to make: it shares the array's memory.
#[derive(Debug, Clone)]
pub struct Column {
    values: Values,
    nulls: Option<NullBuffer>,
}

#[derive(Debug, Clone)]
enum Values {
    None,
    Bool(BooleanBuffer),
    I8(ScalarBuffer<i8>),
    I16(ScalarBuffer<i16>),
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
    U8(ScalarBuffer<u8>),
    U16(ScalarBuffer<u16>),
    U32(ScalarBuffer<u32>),
    U64(ScalarBuffer<u64>),
    F16(ScalarBuffer<f16>),
    F32(ScalarBuffer<f32>),
    F64(ScalarBuffer<f64>),
}

impl Column {
    /// A view of an array; `None` when its type holds no numbers.
    pub fn new(array: &ArrayRef) -> Option<Self> {
        let values = match array.data_type() {
            DataType::Null => Values::None,
            DataType::Boolean => Values::Bool(array.as_boolean().values().clone()),
            DataType::Int8 => Values::I8(array.as_primitive::<Int8Type>().values().clone()),
            DataType::Int16 => Values::I16(array.as_primitive::<Int16Type>().values().clone()),
            DataType::Int32 => Values::I32(array.as_primitive::<Int32Type>().values().clone()),
            DataType::Int64 => Values::I64(array.as_primitive::<Int64Type>().values().clone()),
            DataType::UInt8 => Values::U8(array.as_primitive::<UInt8Type>().values().clone()),
            DataType::UInt16 => Values::U16(array.as_primitive::<UInt16Type>().values().clone()),
            DataType::UInt32 => Values::U32(array.as_primitive::<UInt32Type>().values().clone()),
            DataType::UInt64 => Values::U64(array.as_primitive::<UInt64Type>().values().clone()),
            DataType::Float16 => Values::F16(array.as_primitive::<Float16Type>().values().clone()),
            DataType::Float32 => Values::F32(array.as_primitive::<Float32Type>().values().clone()),
            DataType::Float64 => Values::F64(array.as_primitive::<Float64Type>().values().clone()),
            _ => return None,
        };
        Some(Self { values, nulls: array.nulls().filter(|nulls| nulls.null_count() > 0).cloned() })
    }

    /// A column of these numbers.
    pub fn from_values(values: Vec<f32>) -> Self {
        Self { values: Values::F32(values.into()), nulls: None }
    }

    /// What numpy calls the column: whole numbers and truth values with nulls among them are double precision, as in pandas.
    pub fn kind(&self) -> Kind {
        match &self.values {
            Values::None => Kind::Double,
            Values::F16(_) | Values::F32(_) => Kind::Single,
            Values::F64(_) => Kind::Double,
            _ if self.nulls.is_some() => Kind::Double,
            Values::Bool(_) => Kind::Bool,
            Values::I8(_) | Values::I16(_) | Values::U8(_) | Values::U16(_) => Kind::Short,
            Values::I32(_) | Values::I64(_) | Values::U32(_) | Values::U64(_) => Kind::Int,
        }
    }

    /// Writes the values of `rows`, rounded where `T` is narrower than they are, and prefetches as many rows after them.
    pub fn fill<T: Real>(&self, rows: Range<usize>, out: &mut [T]) {
        macro_rules! copy {
            ($values:ident, $convert:expr) => {
                out.iter_mut().zip(&$values[rows.clone()]).for_each(|(out, &value)| *out = $convert(value))
            };
        }
        match &self.values {
            Values::None => out[..rows.len()].fill(T::NAN),
            Values::Bool(values) => {
                out.iter_mut().zip(rows.clone()).for_each(|(out, row)| *out = T::from_i64(values.value(row).into()));
            }
            Values::I8(values) => copy!(values, |value: i8| T::from_i64(value.into())),
            Values::I16(values) => copy!(values, |value: i16| T::from_i64(value.into())),
            Values::I32(values) => copy!(values, |value: i32| T::from_i64(value.into())),
            Values::I64(values) => copy!(values, T::from_i64),
            Values::U8(values) => copy!(values, |value: u8| T::from_i64(value.into())),
            Values::U16(values) => copy!(values, |value: u16| T::from_i64(value.into())),
            Values::U32(values) => copy!(values, |value: u32| T::from_i64(value.into())),
            Values::U64(values) => copy!(values, T::from_u64),
            Values::F16(values) => copy!(values, |value: f16| T::from_f32(value.to_f32())),
            Values::F32(values) => {
                copy!(values, T::from_f32);
                fetch(values, &rows);
            }
            Values::F64(values) => {
                T::copy(&values[rows.clone()], out);
                fetch(values, &rows);
            }
        }
        if let Some(nulls) = &self.nulls {
            for (out, row) in out.iter_mut().zip(rows) {
                if nulls.is_null(row) {
                    *out = T::NAN;
                }
            }
        }
    }
}

/// The values of a column of double precision without nulls: what [`Column::fill`] would write.
pub fn doubles(array: &ArrayRef) -> Option<&ScalarBuffer<f64>> {
    let array = array.as_primitive_opt::<Float64Type>()?;
    (array.null_count() == 0).then(|| array.values())
}

/// Prefetches the rows after some rows. A block reads only a little of each column, too little for the CPU's own prefetcher to
/// see that the next block goes on there.
fn fetch<T>(values: &[T], rows: &Range<usize>) {
    prefetch(&values[rows.end..values.len().min(rows.end + rows.len())]);
}

/// The precision a kernel works in.
pub trait Real: Copy {
    /// A missing value.
    const NAN: Self;
    /// The nearest number.
    fn from_i64(value: i64) -> Self;
    /// The nearest number.
    fn from_u64(value: u64) -> Self;
    /// The same number.
    fn from_f32(value: f32) -> Self;
    /// The nearest number to each, for as many as there are.
    fn copy(from: &[f64], to: &mut [Self]);
}

macro_rules! real {
    ($type:ident, $copy:expr) => {
        impl Real for $type {
            const NAN: Self = Self::NAN;

            fn from_i64(value: i64) -> Self {
                value as Self
            }

            fn from_u64(value: u64) -> Self {
                value as Self
            }

            fn from_f32(value: f32) -> Self {
                value.into()
            }

            fn copy(from: &[f64], to: &mut [Self]) {
                $copy(from, &mut to[..from.len()]);
            }
        }
    };
}

real!(f32, |from: &[f64], to: &mut [f32]| to.iter_mut().zip(from).for_each(|(to, &from)| *to = from as f32));
real!(f64, |from: &[f64], to: &mut [f64]| to.copy_from_slice(from));

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array, Int64Array, NullArray, StringArray};

    use super::*;

    fn filled(array: ArrayRef) -> Vec<f32> {
        let mut out = vec![7.0; array.len()];
        Column::new(&array).unwrap().fill(0..array.len(), &mut out);
        out
    }

    #[test]
    fn nulls_are_nan_and_slices_keep_their_place() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(16_777_217), Some(4)]));
        let out = filled(array.slice(1, 3));
        assert!(out[0].is_nan());
        assert_eq!(out[1..], [16_777_216.0, 4.0]);
        let array: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
        let out = filled(array.slice(1, 2));
        assert!(out[0] == 0.0 && out[1].is_nan());
        assert_eq!(filled(Arc::new(Float64Array::from(vec![1e300, -0.1]))), [f32::INFINITY, -0.1f32]);
        assert!(filled(Arc::new(NullArray::new(2))).iter().all(|value| value.is_nan()));
        assert!(Column::new(&(Arc::new(StringArray::from(vec!["a"])) as ArrayRef)).is_none());
    }
}
