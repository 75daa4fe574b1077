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
    ipc::{self, Message, MessageHeader, reader, root_as_message},
};
use arrow_flight::FlightData;

use crate::error::{Error, Kind, Result};

/// Rows of one batch; more would let a small message (null columns, bits) ask for a large answer.
pub const MAX_ROWS: usize = 1 << 24;

/// Decodes the batches of one stream.
pub struct Decoder {
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    dictionary_limit: usize,
}

impl Decoder {
    /// A decoder for the stream that this schema message opens; its dictionaries may hold `dictionary_limit` bytes together.
    pub fn new(message: &FlightData, dictionary_limit: usize) -> Result<Self> {
        let header = parse(&message.data_header)?;
        if header.header_type() != MessageHeader::Schema {
            return Err(malformed("the stream does not begin with a schema").found(format!("{:?}", header.header_type())));
        }
        let schema = crate::flight::spec::read_schema(&message.data_header)?;
        for field in schema.fields() {
            check_type(field)?;
        }
        Ok(Self { schema: Arc::new(schema), dictionaries: HashMap::new(), dictionary_limit })
    }

    /// The schema of every batch of the stream.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batch a message holds; `None` for a dictionary, which later batches refer to.
    pub fn message(&mut self, message: FlightData) -> Result<Option<RecordBatch>> {
        let header = parse(&message.data_header)?;
        let body = Buffer::from(message.data_body);
        match header.header_type() {
            MessageHeader::RecordBatch => {
                let record = header.header_as_record_batch().ok_or_else(|| malformed("a record message without its record"))?;
                check_record(&record, body.len())?;
                let decoded = guarded(|| {
                    reader::read_record_batch(&body, record, self.schema.clone(), &self.dictionaries, None, &header.version())
                })?;
                Ok(Some(decoded))
            }
            MessageHeader::DictionaryBatch => {
                let dictionary =
                    header.header_as_dictionary_batch().ok_or_else(|| malformed("a dictionary message without one"))?;
                let record = dictionary.data().ok_or_else(|| malformed("a dictionary without values"))?;
                check_record(&record, body.len())?;
                let dictionaries = &mut self.dictionaries;
                guarded(|| reader::read_dictionary(&body, dictionary, &self.schema, dictionaries, &header.version()))?;
                let held: usize = self.dictionaries.values().map(|values| values.get_buffer_memory_size()).sum();
                if held > self.dictionary_limit {
                    return Err(Error::new(
                        Kind::ResourceExhausted,
                        "DICTIONARIES",
                        format!("the stream's dictionaries hold {held} bytes, the limit is {}", self.dictionary_limit),
                    ));
                }
                Ok(None)
            }
            other => Err(malformed("not a record batch").found(format!("{other:?}"))),
        }
    }
}

fn malformed(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::InvalidArgument, "MALFORMED_ARROW", format!("malformed Arrow data: {what}"))
}

fn parse(header: &[u8]) -> Result<Message<'_>> {
    root_as_message(header).map_err(malformed)
}

/// arrow-ipc answers some broken messages with a panic.
fn guarded<T>(decode: impl FnOnce() -> Result<T, arrow::error::ArrowError>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode)).map_err(|_| malformed("its parts contradict each other"))?.map_err(malformed)
}

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
    for buffer in record.buffers().into_iter().flatten() {
        let end = buffer.offset().checked_add(buffer.length());
        let within = buffer.offset() >= 0 && buffer.length() >= 0 && end.is_some_and(|end| end as u64 <= body as u64);
        if !within {
            return Err(malformed("a buffer outside of the message"));
        }
    }
    // A column's children can be longer than the batch, but no value takes less than a bit.
    let longest = (MAX_ROWS + 8 * body) as i64;
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
        DataType::List(child)
        | DataType::LargeList(child)
        | DataType::ListView(child)
        | DataType::LargeListView(child)
        | DataType::FixedSizeList(child, _)
        | DataType::Map(child, _) => check_type(child),
        DataType::Struct(children) => children.iter().try_for_each(|child| check_type(child)),
        DataType::Union(children, _) => children.iter().try_for_each(|(_, child)| check_type(child)),
        DataType::RunEndEncoded(ends, values) => check_type(ends).and_then(|()| check_type(values)),
        _ => Ok(()),
    }
}
