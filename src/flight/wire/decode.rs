//! Messages to batches. A peer's bytes are not trusted: every bound is checked before arrow-ipc slices by it, and every array is
//! validated (offsets, UTF-8, dictionary keys) before anything reads it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    buffer::Buffer,
    datatypes::{DataType, Field, SchemaRef},
    ipc::{self, Message, MessageHeader, reader},
};
use arrow_flight::FlightData;

use super::{compressed, expanded};
use crate::{
    error::{Error, Kind, Result},
    request::{malformed, message as ipc_message, read_schema},
    score::Context,
};

/// Rows of one batch; more would let a small message (null columns, bits) ask for a large answer.
pub const MAX_ROWS: usize = 1 << 24;

/// Decodes the batches of one stream.
pub struct Decoder {
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    dictionary_limit: usize,
    /// See [`mark_small`].
    small: Vec<bool>,
    /// Whether a batch may take more memory than its buffers.
    shares: bool,
}

impl Decoder {
    /// A decoder for the stream that this schema message opens; its dictionaries may hold `dictionary_limit` bytes together.
    pub fn new(message: &FlightData, dictionary_limit: usize) -> Result<Self> {
        let header = ipc_message(&message.data_header)?;
        if header.header_type() != MessageHeader::Schema {
            return Err(malformed("the stream does not begin with a schema").found(format!("{:?}", header.header_type())));
        }
        let schema = read_schema(&message.data_header)?;
        for field in schema.fields() {
            check_type(field)?;
        }
        let mut small = Vec::new();
        schema.fields().iter().for_each(|field| mark_small(field.data_type(), false, &mut small));
        let shares = schema.fields().iter().any(|field| expanded::shares(field.data_type()));
        Ok(Self { schema: Arc::new(schema), dictionaries: HashMap::new(), dictionary_limit, small, shares })
    }

    /// The schema of every batch of the stream.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Bytes that the columns of a message may take beside the message, as it says itself: what compressed buffers decode to, and
    /// eight bytes for each value of a type that takes fewer. Nothing is decoded for it.
    pub fn claim(&self, message: &FlightData) -> Result<usize> {
        let (header, body) = (ipc_message(&message.data_header)?, &message.data_body);
        let record = record_of(&header)?;
        check_record(&record, body.len())?;
        let rows = usize::try_from(record.length()).unwrap_or_default();
        let mut values = match header.header_type() {
            MessageHeader::DictionaryBatch => rows,
            _ => rows.saturating_mul(self.schema.fields().len()),
        };
        for (node, _) in record.nodes().into_iter().flatten().zip(&self.small).filter(|(_, small)| **small) {
            values = values.saturating_add(usize::try_from(node.length()).unwrap_or_default());
        }
        let written = values.saturating_mul(8);
        Ok(match record.compression() {
            Some(_) => compressed::claimed(&record, body)?.max(written),
            None => written.saturating_sub(body.len()),
        })
    }

    /// Bytes that a batch takes beside `held` once dictionaries, runs and views are written out.
    pub fn growth(&self, batch: &RecordBatch, held: usize) -> usize {
        if self.shares { expanded::bytes(batch).saturating_sub(held) } else { 0 }
    }

    /// Bytes that the stream's dictionaries hold.
    pub fn dictionary_bytes(&self) -> usize {
        self.dictionaries.values().map(|values| values.get_buffer_memory_size()).sum()
    }

    /// The batch a message holds; `None` for a dictionary, which later batches refer to. Takes no more memory than
    /// [`Decoder::claim`] said.
    pub fn message(&mut self, message: FlightData, context: &Context) -> Result<Option<RecordBatch>> {
        let header = ipc_message(&message.data_header)?;
        let record = record_of(&header)?;
        check_record(&record, message.data_body.len())?;
        if record.compression().is_none() {
            return self.plain(&header, &Buffer::from(message.data_body));
        }
        let (plain, body) = compressed::decoded(&header, &message.data_body, context)?;
        drop(message.data_body);
        self.plain(&ipc_message(&plain)?, &Buffer::from_vec(body))
    }

    fn plain(&mut self, header: &Message<'_>, body: &Buffer) -> Result<Option<RecordBatch>> {
        let record = record_of(header)?;
        check_items(&record, body.len())?;
        let Some(dictionary) = header.header_as_dictionary_batch() else {
            let schema = self.schema.clone();
            let decode = || reader::read_record_batch(body, record, schema, &self.dictionaries, None, &header.version());
            return guarded(decode).map(Some);
        };
        let dictionaries = &mut self.dictionaries;
        guarded(|| reader::read_dictionary(body, dictionary, &self.schema, dictionaries, &header.version()))?;
        let held = self.dictionary_bytes();
        if held > self.dictionary_limit {
            return Err(Error::new(
                Kind::ResourceExhausted,
                "DICTIONARIES",
                format!("the stream's dictionaries hold {held} bytes, the limit is {}", self.dictionary_limit),
            ));
        }
        Ok(None)
    }
}

/// For each node of a column's record, in its order, whether it is an item of a list and takes less than a byte.
fn mark_small(data_type: &DataType, nested: bool, small: &mut Vec<bool>) {
    small.push(nested && matches!(data_type, DataType::Null | DataType::Boolean));
    children(data_type).into_iter().for_each(|field| mark_small(field.data_type(), true, small));
}

/// The fields of the columns inside a column of a type, in the order of a message's nodes.
pub(super) fn children(data_type: &DataType) -> Vec<&Field> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => vec![field.as_ref()],
        DataType::Struct(fields) => fields.iter().map(AsRef::as_ref).collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field.as_ref()).collect(),
        DataType::RunEndEncoded(ends, values) => vec![ends.as_ref(), values.as_ref()],
        _ => Vec::new(),
    }
}

/// The record of a message that has one.
pub(super) fn record_of<'a>(header: &Message<'a>) -> Result<ipc::RecordBatch<'a>> {
    match header.header_type() {
        MessageHeader::RecordBatch => {
            header.header_as_record_batch().ok_or_else(|| malformed("a record message without its record"))
        }
        MessageHeader::DictionaryBatch => {
            let dictionary = header.header_as_dictionary_batch().ok_or_else(|| malformed("a dictionary message without one"))?;
            dictionary.data().ok_or_else(|| malformed("a dictionary without values"))
        }
        other => Err(malformed("not a record batch").found(format!("{other:?}"))),
    }
}

/// arrow-ipc answers some broken messages with a panic.
fn guarded<T>(decode: impl FnOnce() -> Result<T, arrow::error::ArrowError>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode)).map_err(|_| malformed("its parts contradict each other"))?.map_err(malformed)
}

/// What a record says of its parts, as it came.
fn check_record(record: &ipc::RecordBatch<'_>, body: usize) -> Result<()> {
    let rows = usize::try_from(record.length()).map_err(|_| malformed("a negative number of rows"))?;
    if rows > MAX_ROWS {
        return Err(Error::new(
            Kind::ResourceExhausted,
            "BATCH_ROWS",
            format!("a batch of {rows} rows, the limit is {MAX_ROWS}"),
        )
        .remedy("send smaller batches"));
    }
    let buffers = record.buffers().unwrap_or_default();
    let mut total = 0;
    for buffer in buffers {
        let end = buffer.offset().checked_add(buffer.length());
        let within = buffer.offset() >= 0 && buffer.length() >= 0 && end.is_some_and(|end| end as u64 <= body as u64);
        if !within {
            return Err(malformed("a buffer outside of the message"));
        }
        total += buffer.length() as usize;
    }
    // Buffers that lie over each other would be copied, decoded and scored as often as they are named.
    if total > body {
        return Err(malformed("buffers that lie over each other"));
    }
    let mut left = buffers.len();
    for count in record.variadicBufferCounts().into_iter().flatten() {
        match usize::try_from(count).ok().and_then(|count| left.checked_sub(count)) {
            Some(rest) => left = rest,
            None => return Err(malformed("a column of more buffers than there are")),
        }
    }
    Ok(())
}

/// The lengths of columns; `body` is what it is once nothing in it is compressed.
fn check_items(record: &ipc::RecordBatch<'_>, body: usize) -> Result<()> {
    // A column's children can be longer than the batch, but no value takes less than a bit.
    let longest = i64::try_from(MAX_ROWS.saturating_add(body.saturating_mul(8))).unwrap_or(i64::MAX);
    for node in record.nodes().into_iter().flatten() {
        if node.length() < 0 || node.length() > longest || node.null_count() < 0 || node.null_count() > node.length() {
            return Err(malformed("a column of impossible length"));
        }
    }
    Ok(())
}

fn check_type(field: &Field) -> Result<()> {
    match field.data_type() {
        DataType::FixedSizeBinary(size) | DataType::FixedSizeList(_, size) if *size <= 0 => {
            Err(malformed("a fixed size of zero or less").column(field.name()))
        }
        nested => children(nested).into_iter().try_for_each(check_type),
    }
}
