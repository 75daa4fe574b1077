//! Messages that no honest peer sends: nothing of them may end the process, and nothing may take more memory than was asked for first.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, AsArray, BinaryViewArray, BooleanArray, DictionaryArray, FixedSizeListArray, Float64Array, Int32Array,
        ListArray, ListViewArray, NullArray, RecordBatch, RunArray, StringArray, StringViewArray, StructArray,
    },
    datatypes::{DataType, Field, Float64Type, Int8Type, Int32Type, Schema},
    ipc::{
        self, BodyCompressionBuilder, BodyCompressionMethod, CompressionType, DictionaryBatchBuilder, FieldBuilder,
        MessageBuilder, MessageHeader, RecordBatchBuilder, SchemaBuilder, root_as_message,
    },
};
use arrow_flight::FlightData;
use bytes::Bytes;
use flatbuffers::FlatBufferBuilder;

#[path = "../../../tests/support/dice.rs"]
mod dice;

use self::dice::Dice;
use super::{Decoder, Encoder, decode::record_of};
use crate::{error::Kind, request::read_schema, score::Context};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// Columns of every kind of layout.
fn samples() -> Vec<RecordBatch> {
    let numbers: ArrayRef = Arc::new(Float64Array::from((0..100).map(f64::from).collect::<Vec<_>>()));
    let integers: ArrayRef = Arc::new(Int32Array::from((0..100).map(|i| (i % 3 != 0).then_some(i)).collect::<Vec<_>>()));
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.0), None]), None, Some(vec![])]);
    let item = Arc::new(Field::new("item", DataType::Null, true));
    let nulls = FixedSizeListArray::new(item, 4, Arc::new(NullArray::new(12)), None);
    let record = StructArray::from(vec![(
        Arc::new(Field::new("x", DataType::Utf8, true)),
        Arc::new(StringArray::from(vec![Some("a"), None, Some("ccc")])) as ArrayRef,
    )]);
    let views = StringViewArray::from(vec![Some("short"), None, Some("a text that is longer than twelve bytes")]);
    vec![
        batch(vec![("a", numbers), ("b", integers)]),
        batch(vec![
            ("s", Arc::new(StringArray::from(vec![Some("x"), None, Some("größe")]))),
            ("t", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
            ("l", Arc::new(lists)),
            ("n", Arc::new(NullArray::new(3))),
            ("f", Arc::new(nulls)),
            ("r", Arc::new(record)),
        ]),
        batch(vec![("v", Arc::new(views)), ("w", Arc::new(BinaryViewArray::from(vec![b"0123456789abcdef".as_slice(); 3])))]),
        batch(vec![
            ("d", Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("u"), None, Some("w")]))),
            ("e", Arc::new(DictionaryArray::<Int8Type>::from_iter([Some("word"), Some("word"), Some("other")]))),
        ]),
        batch(vec![("r", Arc::new(RunArray::<Int32Type>::from_iter([Some("same"), Some("same"), Some("else")])))]),
        batch(vec![("o", list_views(&[(0, 2), (1, 3), (0, 0)]))]),
    ]
}

/// Lists of the numbers 0 to 3, each from a place and of a length.
fn list_views(places: &[(i32, i32)]) -> ArrayRef {
    let item = Arc::new(Field::new("item", DataType::Float64, true));
    let (offsets, sizes): (Vec<i32>, Vec<i32>) = places.iter().copied().unzip();
    let values = Arc::new(Float64Array::from(vec![0.0, 1.0, 2.0, 3.0]));
    Arc::new(ListViewArray::new(item, offsets.into(), sizes.into(), values, None))
}

fn messages(batch: &RecordBatch) -> (FlightData, Vec<FlightData>) {
    let mut encoder = Encoder::new();
    let schema = encoder.schema(&batch.schema());
    (schema, encoder.batch(batch).unwrap())
}

const CODECS: [Option<CompressionType>; 3] = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

fn compress(bytes: &[u8], codec: CompressionType) -> Vec<u8> {
    match codec {
        CompressionType::ZSTD => zstd::bulk::compress(bytes, 3).unwrap(),
        _ => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            std::io::Write::write_all(&mut encoder, bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// A message with its buffers compressed; `length` is what each claims, given what it is.
fn compressed(message: &FlightData, codec: CompressionType, length: impl Fn(usize) -> i64) -> FlightData {
    let header = root_as_message(&message.data_header).unwrap();
    let record = record_of(&header).unwrap();
    let (mut body, mut buffers) = (Vec::new(), Vec::new());
    for (at, buffer) in record.buffers().unwrap().iter().enumerate() {
        let bytes = &message.data_body[buffer.offset() as usize..][..buffer.length() as usize];
        let start = body.len();
        if !bytes.is_empty() {
            // Every third is left as it is, as writers do where nothing is gained.
            if at % 3 == 2 {
                body.extend((-1i64).to_le_bytes());
                body.extend(bytes);
            } else {
                body.extend(length(bytes.len()).to_le_bytes());
                body.extend(compress(bytes, codec));
            }
        }
        buffers.push(ipc::Buffer::new(start as i64, (body.len() - start) as i64));
        body.resize(body.len().next_multiple_of(8), 0);
    }
    rewritten(message, codec, &buffers, body)
}

fn rewritten(message: &FlightData, codec: CompressionType, buffers: &[ipc::Buffer], body: Vec<u8>) -> FlightData {
    let header = root_as_message(&message.data_header).unwrap();
    let record = record_of(&header).unwrap();
    let mut builder = FlatBufferBuilder::new();
    let nodes: Vec<ipc::FieldNode> = record.nodes().into_iter().flatten().copied().collect();
    let (nodes, buffers) = (builder.create_vector(&nodes), builder.create_vector(buffers));
    let counts: Vec<i64> = record.variadicBufferCounts().into_iter().flatten().collect();
    let counts = builder.create_vector(&counts);
    let mut how = BodyCompressionBuilder::new(&mut builder);
    how.add_codec(codec);
    how.add_method(BodyCompressionMethod::BUFFER);
    let how = how.finish();
    let mut made = RecordBatchBuilder::new(&mut builder);
    made.add_length(record.length());
    made.add_nodes(nodes);
    made.add_buffers(buffers);
    made.add_variadicBufferCounts(counts);
    made.add_compression(how);
    let made = made.finish();
    let (kind, content) = match header.header_as_dictionary_batch() {
        Some(dictionary) => {
            let mut whole = DictionaryBatchBuilder::new(&mut builder);
            whole.add_id(dictionary.id());
            whole.add_data(made);
            (MessageHeader::DictionaryBatch, whole.finish().as_union_value())
        }
        None => (MessageHeader::RecordBatch, made.as_union_value()),
    };
    let mut whole = MessageBuilder::new(&mut builder);
    whole.add_version(header.version());
    whole.add_header_type(kind);
    whole.add_bodyLength(body.len() as i64);
    whole.add_header(content);
    let whole = whole.finish();
    builder.finish(whole, None);
    FlightData { data_header: builder.finished_data().to_vec().into(), data_body: body.into(), ..Default::default() }
}

fn honest(length: usize) -> i64 {
    length as i64
}

#[test]
fn compressed_messages_come_back_as_they_were() {
    for batch in samples() {
        let (schema, plain) = messages(&batch);
        for codec in CODECS.into_iter().flatten() {
            let mut decoder = Decoder::new(&schema, usize::MAX).unwrap();
            let mut back = None;
            for message in &plain {
                let message = compressed(message, codec, honest);
                assert!(decoder.claim(&message).unwrap() < 1 << 20);
                back = decoder.message(message, &Context::default()).unwrap();
            }
            assert_eq!(back.unwrap(), batch, "{codec:?}");
        }
    }
}

#[test]
fn a_claimed_length_is_known_before_anything_is_decoded() {
    let (schema, plain) = messages(&samples()[0]);
    let mut decoder = Decoder::new(&schema, usize::MAX).unwrap();
    for codec in CODECS.into_iter().flatten() {
        let claim = |length: i64| decoder.claim(&compressed(&plain[0], codec, |_| length));
        assert!(claim(1 << 40).unwrap() >= 1 << 40);
        assert!(claim(i64::MAX).unwrap() >= 1 << 62);
        for wrong in [-2, i64::MIN] {
            assert_eq!(claim(wrong).unwrap_err().code(), "MALFORMED_ARROW");
        }
    }
    for codec in CODECS.into_iter().flatten() {
        // A buffer is decoded to the length that it claims, not to the end of its frame.
        for lie in [|length: usize| length as i64 - 1, |length: usize| length as i64 + 1, |_| 1] {
            let error = decoder.message(compressed(&plain[0], codec, lie), &Context::default()).unwrap_err();
            assert_eq!(error.code(), "MALFORMED_ARROW", "{error}");
        }
    }
}

#[test]
fn a_frame_that_never_ends_is_cut_where_it_claims_to_end() {
    let (schema, plain) = messages(&batch(vec![("a", Arc::new(Float64Array::from(vec![0.0; 8])))]));
    let mut decoder = Decoder::new(&schema, usize::MAX).unwrap();
    let zeros = vec![0; 64 << 20];
    for codec in CODECS.into_iter().flatten() {
        let mut body = 64i64.to_le_bytes().to_vec();
        body.extend(compress(&zeros, codec));
        assert!(body.len() < 1 << 20);
        let buffers = [ipc::Buffer::new(0, 0), ipc::Buffer::new(0, body.len() as i64)];
        let message = rewritten(&plain[0], codec, &buffers, body);
        assert!(decoder.claim(&message).unwrap() < 1024);
        assert_eq!(decoder.message(message, &Context::default()).unwrap_err().code(), "MALFORMED_ARROW");
    }
}

#[test]
fn decoding_stops_when_nobody_waits_for_it() {
    let (schema, plain) = messages(&samples()[0]);
    let context = Context::default();
    context.cancel_flag().cancel();
    let mut decoder = Decoder::new(&schema, usize::MAX).unwrap();
    for codec in CODECS.into_iter().flatten() {
        let error = decoder.message(compressed(&plain[0], codec, honest), &context).unwrap_err();
        assert_eq!(error.kind(), Kind::Cancelled);
    }
}

#[test]
fn columns_that_take_few_bytes_are_counted_as_what_they_become() {
    const ROWS: usize = 1 << 20;
    let claim = |column: ArrayRef| {
        let (schema, messages) = messages(&batch(vec![("a", column)]));
        Decoder::new(&schema, usize::MAX).unwrap().claim(messages.last().unwrap()).unwrap()
    };
    assert_eq!(claim(Arc::new(NullArray::new(ROWS))), 8 * ROWS);
    assert!(claim(Arc::new(BooleanArray::from(vec![true; ROWS]))) >= 7 * ROWS);
    assert_eq!(claim(Arc::new(Float64Array::from(vec![1.0; ROWS]))), 0, "what it is was counted with the message");
    let item = Arc::new(Field::new("item", DataType::Null, true));
    let lists = FixedSizeListArray::new(item, 1 << 20, Arc::new(NullArray::new(8 << 20)), None);
    assert!(claim(Arc::new(lists)) >= 64 << 20);
}

#[test]
fn values_that_share_their_bytes_are_counted_each() {
    const ROWS: usize = 1 << 12;
    let text = "x".repeat(1 << 12);
    let texts: Vec<&str> = vec![&text; ROWS];
    let dictionary: ArrayRef = Arc::new(texts.iter().copied().collect::<DictionaryArray<Int32Type>>());
    let runs: ArrayRef = Arc::new(texts.iter().copied().map(Some).collect::<RunArray<Int32Type>>());
    let mut views = arrow::array::StringViewBuilder::new().with_deduplicate_strings();
    texts.iter().for_each(|text| views.append_value(text));
    let views: ArrayRef = Arc::new(views.finish());
    let nested = StructArray::from(vec![(Arc::new(Field::new("x", dictionary.data_type().clone(), true)), dictionary.clone())]);
    for column in [dictionary, runs, views, Arc::new(nested)] {
        let (schema, messages) = messages(&batch(vec![("a", column.clone())]));
        let mut decoder = Decoder::new(&schema, usize::MAX).unwrap();
        let mut decoded = None;
        for message in messages {
            assert!(message.data_body.len() < 1 << 18, "{}", column.data_type());
            decoded = decoder.message(message, &Context::default()).unwrap();
        }
        let grown = decoder.growth(&decoded.unwrap(), 1 << 18);
        assert!((15 << 20..18 << 20).contains(&grown), "{}: {grown}", column.data_type());
    }
    let (schema, messages) = messages(&batch(vec![("a", list_views(&vec![(0, 4); ROWS]))]));
    let mut decoder = Decoder::new(&schema, usize::MAX).unwrap();
    let decoded = decoder.message(messages[0].clone(), &Context::default()).unwrap().unwrap();
    assert_eq!(decoder.growth(&decoded, 0), 4 * 8 * ROWS);
    // Nothing is shared here, and nothing added.
    let (schema, messages) = self::messages(&samples()[1]);
    let mut decoder = Decoder::new(&schema, usize::MAX).unwrap();
    let decoded = decoder.message(messages[0].clone(), &Context::default()).unwrap().unwrap();
    assert_eq!(decoder.growth(&decoded, 0), 0);
}

#[test]
fn buffers_that_lie_over_each_other_are_refused() {
    let (schema, messages) = messages(&samples()[0]);
    let header = root_as_message(&messages[0].data_header).unwrap();
    let record = header.header_as_record_batch().unwrap();
    let whole = messages[0].data_body.len() as i64;
    let mut changed = messages[0].data_header.to_vec();
    // Each buffer is the whole body.
    for buffer in record.buffers().unwrap() {
        let at = buffer as *const ipc::Buffer as usize - messages[0].data_header.as_ptr() as usize;
        changed[at..at + 8].copy_from_slice(&0i64.to_le_bytes());
        changed[at + 8..at + 16].copy_from_slice(&whole.to_le_bytes());
    }
    let broken = FlightData { data_header: changed.into(), ..messages[0].clone() };
    let decoder = Decoder::new(&schema, usize::MAX).unwrap();
    assert!(decoder.claim(&messages[0]).is_ok());
    assert!(decoder.claim(&broken).unwrap_err().to_string().contains("over each other"));
}

#[test]
fn a_name_that_stands_once_is_not_read_a_thousand_times() {
    let mut builder = FlatBufferBuilder::new();
    let name = builder.create_string(&"n".repeat(100_000));
    let kind = ipc::NullBuilder::new(&mut builder).finish();
    let children = builder.create_vector::<flatbuffers::WIPOffset<ipc::Field<'_>>>(&[]);
    let fields: Vec<_> = (0..10_000)
        .map(|_| {
            let mut field = FieldBuilder::new(&mut builder);
            field.add_name(name);
            field.add_type_type(ipc::Type::Null);
            field.add_type_(kind.as_union_value());
            field.add_children(children);
            field.finish()
        })
        .collect();
    let fields = builder.create_vector(&fields);
    let mut schema = SchemaBuilder::new(&mut builder);
    schema.add_fields(fields);
    let schema = schema.finish();
    let mut message = MessageBuilder::new(&mut builder);
    message.add_version(ipc::MetadataVersion::V5);
    message.add_header_type(MessageHeader::Schema);
    message.add_header(schema.as_union_value());
    let message = message.finish();
    builder.finish(message, None);
    let bytes = builder.finished_data().to_vec();
    assert!(bytes.len() < 1 << 20, "a gigabyte of names in {} bytes", bytes.len());
    assert!(read_schema(&bytes).is_err());
    let mut framed = vec![0xff; 4];
    framed.extend((bytes.len() as u32).to_le_bytes());
    framed.extend(&bytes);
    assert!(read_schema(&framed).is_err());
    assert!(Decoder::new(&FlightData { data_header: bytes.into(), ..Default::default() }, usize::MAX).is_err());
}

impl Dice {
    fn mutate(&mut self, bytes: &Bytes) -> Bytes {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len());
            match self.roll(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.roll(256) as u8),
                2 | 3 if at + 8 <= bytes.len() => {
                    // Lengths and offsets at their extremes.
                    let extremes = [0, 1, -1, i64::MAX, i64::MIN, 1 << 31, 1 << 40, -(1 << 40), 7, 1 << 24];
                    bytes[at / 8 * 8..][..8].copy_from_slice(&extremes[self.roll(extremes.len())].to_le_bytes());
                }
                _ if at < bytes.len() => bytes[at] ^= 1 << self.roll(8),
                _ => {}
            }
        }
        bytes.into()
    }
}

#[test]
fn mutated_messages_end_in_an_error_or_a_batch_and_hold_what_they_claimed() {
    // What a service would admit.
    const LIMIT: usize = 1 << 24;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut taken) = (0, 0);
    for batch in samples() {
        let (schema, plain) = messages(&batch);
        for codec in CODECS {
            let whole: Vec<FlightData> = match codec {
                Some(codec) => plain.iter().map(|message| compressed(message, codec, honest)).collect(),
                None => plain.clone(),
            };
            for _ in 0..600 {
                let mut decoder = Decoder::new(&schema, 1 << 20).unwrap();
                let target = dice.roll(whole.len());
                for (at, message) in whole.iter().enumerate() {
                    let mut message = message.clone();
                    if at == target {
                        match dice.roll(3) {
                            0 => message.data_body = dice.mutate(&message.data_body),
                            _ => message.data_header = dice.mutate(&message.data_header),
                        }
                    }
                    let sent = message.data_header.len() + message.data_body.len();
                    let decoded = decoder.claim(&message).and_then(|claim| match claim <= LIMIT {
                        true => decoder.message(message, &Context::default()).map(|batch| (claim, batch)),
                        false => Err(crate::error::Error::new(Kind::ResourceExhausted, "MEMORY_LIMIT", "too much")),
                    });
                    match decoded {
                        Ok((claim, Some(batch))) => {
                            let columns =
                                batch.columns().iter().filter(|column| !matches!(column.data_type(), DataType::Dictionary(..)));
                            let held: usize =
                                columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum();
                            assert!(held <= claim + sent + 1024, "{held} bytes of {claim} and {sent}: {:?}", batch.schema());
                            let _ = decoder.growth(&batch, 0);
                            drop(format!("{batch:?}"));
                            taken += 1;
                        }
                        Ok((_, None)) => {}
                        Err(error) => {
                            assert!(
                                matches!(error.kind(), Kind::InvalidArgument | Kind::ResourceExhausted | Kind::Unimplemented),
                                "{error:?}"
                            );
                            refused += 1;
                            break;
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 2_000 && taken > 500, "{refused} refused, {taken} taken");
}

#[test]
fn mutated_schemas_and_specs_are_read_or_refused() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for batch in samples() {
        let (schema, _) = messages(&batch);
        for _ in 0..300 {
            let data_header = dice.mutate(&schema.data_header);
            let _ = Decoder::new(&FlightData { data_header, ..Default::default() }, 1 << 20);
        }
    }
    let request = crate::request::Request { uri: "models:/a/1".into(), ..Default::default() };
    let mut spec = request.to_spec().unwrap();
    spec.result_schema = crate::request::schema_bytes(&Schema::new(vec![Field::new("p", DataType::Float64, true)])).unwrap();
    spec.params = r#"{"a": [1, {"b": null}]}"#.into();
    spec.extra_env = [("A".to_owned(), "b".to_owned())].into();
    let bytes = Bytes::from(prost::Message::encode_to_vec(&spec));
    for _ in 0..3_000 {
        if let Ok(spec) = crate::request::decode(&dice.mutate(&bytes)) {
            let _ = crate::request::options(&spec);
        }
    }
}

#[test]
fn the_sample_of_text_views_is_what_it_seems() {
    // The variadic buffers are those of the writer: a sample without any would prove nothing.
    let (_, plain) = messages(&samples()[2]);
    let header = root_as_message(&plain[0].data_header).unwrap();
    let counts: Vec<i64> = record_of(&header).unwrap().variadicBufferCounts().unwrap().iter().collect();
    assert_eq!(counts, [1, 1]);
    assert!(samples()[2].column(0).as_string_view().value(2).len() > 12);
}
