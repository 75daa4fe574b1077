//! Batches to messages. Plain columns are laid out by hand into one buffer that is used again (arrow-ipc's generator allocates
//! the body anew for each batch, and the page faults cost more than the copy); all others go through the generator.

use arrow::{
    array::{Array, ArrayData, RecordBatch},
    buffer::Buffer,
    datatypes::{DataType, Schema},
    ipc::{
        self, FieldNode, MessageBuilder, MessageHeader, MetadataVersion, RecordBatchBuilder,
        writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions},
    },
};
use arrow_flight::FlightData;
use bytes::{BufMut, Bytes, BytesMut};
use flatbuffers::FlatBufferBuilder;

use crate::error::Result;

/// Each buffer of a body starts at a multiple of this.
const ALIGNMENT: usize = 64;

/// Encodes the batches of one stream.
pub struct Encoder {
    body: BytesMut,
    header: FlatBufferBuilder<'static>,
    generator: IpcDataGenerator,
    tracker: DictionaryTracker,
    options: IpcWriteOptions,
}

impl Encoder {
    /// An encoder for a stream that starts with [`Encoder::schema`].
    pub fn new() -> Self {
        Self {
            body: BytesMut::new(),
            header: FlatBufferBuilder::new(),
            generator: IpcDataGenerator::default(),
            tracker: DictionaryTracker::new(false),
            options: IpcWriteOptions::default(),
        }
    }

    /// The message that opens the stream.
    pub fn schema(&mut self, schema: &Schema) -> FlightData {
        let encoded = self.generator.schema_to_bytes_with_dictionary_tracker(schema, &mut self.tracker, &self.options);
        FlightData { data_header: encoded.ipc_message.into(), ..FlightData::default() }
    }

    /// The messages of a batch: its record message last, new dictionaries before it. They hold no reference to the batch.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<FlightData>> {
        if let Some(message) = self.plain(batch) {
            return Ok(vec![message]);
        }
        let (dictionaries, record) = self.generator.encode(batch, &mut self.tracker, &self.options, &mut Default::default())?;
        let messages = dictionaries.into_iter().chain([record]);
        Ok(messages
            .map(|data| FlightData {
                data_header: data.ipc_message.into(),
                data_body: data.arrow_data.into(),
                ..FlightData::default()
            })
            .collect())
    }

    fn plain(&mut self, batch: &RecordBatch) -> Option<FlightData> {
        let mut columns = Vec::with_capacity(batch.num_columns());
        for column in batch.columns() {
            columns.push(Plain::new(column.as_ref())?);
        }
        let total = columns.iter().map(Plain::padded).sum();
        // Takes the same memory again once the last message was sent and dropped.
        self.body.reserve(total);
        let (mut nodes, mut buffers) = (Vec::with_capacity(columns.len()), Vec::with_capacity(2 * columns.len()));
        for column in &columns {
            nodes.push(FieldNode::new(column.data.len() as i64, column.data.null_count() as i64));
            for part in [column.validity(), column.values()] {
                buffers.push(ipc::Buffer::new(self.body.len() as i64, part.len() as i64));
                self.body.extend_from_slice(part);
                self.body.put_bytes(0, padding(part.len()));
            }
        }
        let body = self.body.split().freeze();
        let header = self.header(batch.num_rows(), &nodes, &buffers, body.len());
        Some(FlightData { data_header: header, data_body: body, ..FlightData::default() })
    }

    fn header(&mut self, rows: usize, nodes: &[FieldNode], buffers: &[ipc::Buffer], body: usize) -> Bytes {
        let builder = &mut self.header;
        builder.reset();
        let (buffers, nodes) = (builder.create_vector(buffers), builder.create_vector(nodes));
        let mut record = RecordBatchBuilder::new(builder);
        record.add_length(rows as i64);
        record.add_nodes(nodes);
        record.add_buffers(buffers);
        let record = record.finish().as_union_value();
        let mut message = MessageBuilder::new(builder);
        message.add_version(MetadataVersion::V5);
        message.add_header_type(MessageHeader::RecordBatch);
        message.add_bodyLength(body as i64);
        message.add_header(record);
        let message = message.finish();
        builder.finish(message, None);
        Bytes::copy_from_slice(builder.finished_data())
    }
}

/// A column of fixed-width numbers: its bytes are what IPC wants.
struct Plain {
    data: ArrayData,
    width: usize,
    validity: Option<Buffer>,
}

impl Plain {
    fn new(column: &dyn Array) -> Option<Self> {
        let width = match column.data_type() {
            DataType::Dictionary(..) => return None,
            other => other.primitive_width()?,
        };
        // Copies handles, not values.
        let data = column.to_data();
        let validity = data.nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.inner().sliced());
        Some(Self { data, width, validity })
    }

    fn validity(&self) -> &[u8] {
        self.validity.as_ref().map_or(&[], |bits| &bits.as_slice()[..self.data.len().div_ceil(8)])
    }

    fn values(&self) -> &[u8] {
        &self.data.buffers()[0].as_slice()[self.data.offset() * self.width..][..self.data.len() * self.width]
    }

    fn padded(&self) -> usize {
        [self.validity(), self.values()].iter().map(|part| part.len() + padding(part.len())).sum()
    }
}

/// Bytes up to the next multiple of the alignment.
fn padding(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT) - length
}
