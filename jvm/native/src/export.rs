//! From an Arrow array to a table of addresses that the JVM reads.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    buffer::Buffer,
    datatypes::DataType,
};
use mlflight::error::{Error, Kind, Result};

/// A prediction column, kept alive while the JVM reads it.
pub struct Answer {
    words: Vec<i64>,
    _array: ArrayRef,
    _buffers: Vec<Buffer>,
}

impl Answer {
    /// Lays out `array`, whose type must be read as `expected`.
    pub fn new(array: ArrayRef, expected: &DataType) -> Result<Self> {
        if !same_layout(array.data_type(), expected) {
            return Err(Error::new(
                Kind::InvalidArgument,
                "RESULT_TYPE",
                "the model's predictions are not of the UDF's result type",
            )
            .expected(expected)
            .found(array.data_type())
            .remedy("give spark_udf the result_type the model returns"));
        }
        let mut table = Table::default();
        table.push(&array)?;
        Ok(Self { words: table.words, _array: array, _buffers: table.buffers })
    }

    /// The table: see [`crate::import`] for its form.
    pub fn words(&self) -> &[i64] {
        &self.words
    }
}

/// Whether both types have the same buffers and meaning; names of list items and time zones are the caller's affair.
fn same_layout(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::List(left), DataType::List(right)) | (DataType::Map(left, _), DataType::Map(right, _)) => {
            same_layout(left.data_type(), right.data_type())
        }
        (DataType::Struct(left), DataType::Struct(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| same_layout(left.data_type(), right.data_type()))
        }
        (DataType::Timestamp(left, _), DataType::Timestamp(right, _)) => left == right,
        _ => left == right,
    }
}

#[derive(Default)]
struct Table {
    words: Vec<i64>,
    buffers: Vec<Buffer>,
}

impl Table {
    /// Appends the node of an array and of its children.
    fn push(&mut self, array: &dyn Array) -> Result<()> {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let validity = nulls.map_or(0, |nulls| self.keep(nulls.inner().sliced()));
        let (first, second) = match array.data_type() {
            DataType::Null | DataType::Struct(_) => (0, 0),
            DataType::Boolean => (self.keep(array.as_boolean().values().sliced()), 0),
            DataType::Utf8 => {
                let text = array.as_string::<i32>();
                (address(text.value_offsets()), address(text.value_data()))
            }
            DataType::Binary => {
                let bytes = array.as_binary::<i32>();
                (address(bytes.value_offsets()), address(bytes.value_data()))
            }
            DataType::List(_) => (address(array.as_list::<i32>().value_offsets()), 0),
            DataType::Map(_, _) => (address(array.as_map().value_offsets()), 0),
            other if other.primitive_width().is_some() => {
                let data = array.to_data();
                let [values] = data.buffers() else {
                    return Err(unknown(other));
                };
                (self.keep(values.slice(data.offset() * other.primitive_width().unwrap_or_default())), 0)
            }
            other => return Err(unknown(other)),
        };
        self.words.extend([array.len() as i64, nulls.map_or(0, |nulls| nulls.null_count() as i64), validity, first, second]);
        match array.data_type() {
            DataType::List(_) => self.push(array.as_list::<i32>().values()),
            DataType::Map(_, _) => self.push(array.as_map().entries()),
            DataType::Struct(_) => array.as_struct().columns().iter().try_for_each(|column| self.push(column)),
            _ => Ok(()),
        }
    }

    /// Keeps a buffer made here, or a share of one, as long as the answer.
    fn keep(&mut self, buffer: Buffer) -> i64 {
        let address = buffer.as_ptr() as i64;
        self.buffers.push(buffer);
        address
    }
}

fn address<T>(slice: &[T]) -> i64 {
    slice.as_ptr() as i64
}

fn unknown(data_type: &DataType) -> Error {
    Error::new(Kind::Unimplemented, "RESULT_TYPE", format!("predictions of type {data_type} have no Spark type"))
}
