//! From a table of addresses to Arrow arrays that borrow the JVM's memory.
//!
//! Five words an array node, in pre-order: length, null count, address of the validity bits (0 = no nulls), addresses of the
//! first and the second buffer. `io.mlflight.spark.columns.ColumnWriter` writes such tables.

use std::{ptr::NonNull, sync::Arc};

use arrow::{
    alloc::Allocation,
    array::{ArrayData, ArrayDataBuilder, RecordBatch, RecordBatchOptions, make_array},
    buffer::{Buffer, MutableBuffer},
    datatypes::{DataType, SchemaRef},
    util::bit_util::ceil,
};
use mlflight::error::{Error, Kind, Result};

/// Words of one node.
pub const NODE_WORDS: usize = 5;

/// Owns nothing: it is cloned into every borrowed buffer, so that its count says whether one is still in use.
pub type Lender = Arc<dyn Allocation>;

/// The table being read.
pub struct Importer<'a> {
    words: &'a [i64],
    lender: Lender,
}

struct Node {
    len: usize,
    nulls: usize,
    validity: i64,
    first: i64,
    second: i64,
}

impl<'a> Importer<'a> {
    pub fn new(words: &'a [i64], lender: Lender) -> Self {
        Self { words, lender }
    }

    /// The columns of `schema` as a batch.
    ///
    /// # Safety
    /// The table must describe live buffers of these types, and they must outlive every clone of the lender.
    pub unsafe fn batch(mut self, schema: &SchemaRef, rows: usize) -> Result<RecordBatch> {
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                // SAFETY: the caller's.
                let data = unsafe { self.array(field.data_type()) };
                data.map(make_array).map_err(|error| error.column(field.name()))
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
    }

    fn node(&mut self) -> Result<Node> {
        let Some((head, rest)) = self.words.split_first_chunk::<NODE_WORDS>() else {
            return Err(broken("it is shorter than its schema"));
        };
        self.words = rest;
        let [len, nulls, validity, first, second] = *head;
        Ok(Node { len: positive(len)?, nulls: positive(nulls)?, validity, first, second })
    }

    unsafe fn array(&mut self, data_type: &DataType) -> Result<ArrayData> {
        let node = self.node()?;
        let mut builder = ArrayDataBuilder::new(data_type.clone()).len(node.len).align_buffers(true);
        // SAFETY, here and below: a node's buffers are as long as its length and type say, by the caller's contract.
        if node.nulls > 0 {
            builder =
                builder.null_bit_buffer(Some(unsafe { self.buffer(node.validity, ceil(node.len, 8)) }?)).null_count(node.nulls);
        }
        builder = match data_type {
            DataType::Null => builder,
            DataType::Boolean => builder.add_buffer(unsafe { self.buffer(node.first, ceil(node.len, 8)) }?),
            DataType::Utf8 | DataType::Binary => {
                let (offsets, end) = unsafe { self.offsets(&node) }?;
                builder.add_buffer(offsets).add_buffer(unsafe { self.buffer(node.second, end) }?)
            }
            DataType::List(item) | DataType::Map(item, _) => {
                let (offsets, _) = unsafe { self.offsets(&node) }?;
                builder.add_buffer(offsets).add_child_data(unsafe { self.array(item.data_type()) }?)
            }
            DataType::Struct(fields) => {
                let children = fields.iter().map(|field| unsafe { self.array(field.data_type()) }).collect::<Result<_>>()?;
                builder.child_data(children)
            }
            other => {
                let width = other.primitive_width().ok_or_else(|| broken(&format!("it has a column of type {other}")))?;
                builder.add_buffer(unsafe { self.buffer(node.first, node.len * width) }?)
            }
        };
        // Spark's strings may hold any bytes (a cast from binary): the builder checks that they are text.
        builder.build().map_err(|error| {
            Error::new(Kind::InvalidArgument, "INVALID_VALUES", format!("the values cannot be read: {error}")).source(error)
        })
    }

    /// The offsets and where the last one points.
    unsafe fn offsets(&self, node: &Node) -> Result<(Buffer, usize)> {
        let buffer = unsafe { self.buffer(node.first, (node.len + 1) * size_of::<i32>()) }?;
        let end = buffer.as_slice().last_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        Ok((buffer, positive(end.into())?))
    }

    unsafe fn buffer(&self, address: i64, bytes: usize) -> Result<Buffer> {
        if bytes == 0 {
            // Aligned, unlike the dangling pointer of an empty Vec<u8>.
            return Ok(MutableBuffer::new(0).into());
        }
        let pointer = NonNull::new(address as *mut u8).ok_or_else(|| broken("an address is null"))?;
        // SAFETY: the caller's contract.
        Ok(unsafe { Buffer::from_custom_allocation(pointer, bytes, self.lender.clone()) })
    }
}

fn positive(word: i64) -> Result<usize> {
    usize::try_from(word).map_err(|_| broken("a length is negative"))
}

fn broken(why: &str) -> Error {
    Error::new(Kind::Internal, "BROKEN_TABLE", format!("the table of column addresses cannot be read: {why}"))
}
