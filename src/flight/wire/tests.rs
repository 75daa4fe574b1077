use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, ListArray, NullArray, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Float64Type, Int32Type, Schema},
};
use arrow_flight::FlightData;
use bytes::Bytes;

use super::{Decoder, Encoder};
use crate::{error::Kind, score::Context};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn plain() -> RecordBatch {
    batch(vec![
        ("a", Arc::new(Float64Array::from((0..1000).map(f64::from).collect::<Vec<_>>()))),
        ("b", Arc::new(Int32Array::from((0..1000).map(|i| (i % 3 != 0).then_some(i)).collect::<Vec<_>>()))),
        ("c", Arc::new(TimestampMicrosecondArray::from(vec![7; 1000]).with_timezone("UTC"))),
    ])
}

fn other() -> RecordBatch {
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.0), None]), None, Some(vec![])]);
    batch(vec![
        ("s", Arc::new(StringArray::from(vec![Some("x"), None, Some("größe")]))),
        ("t", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("d", Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("u"), Some("v"), Some("u")]))),
        ("l", Arc::new(lists)),
        ("n", Arc::new(NullArray::new(3))),
    ])
}

fn round_trip(batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(&encoder.schema(&batches[0].schema()), usize::MAX).unwrap();
    let messages = batches.iter().flat_map(|batch| encoder.batch(batch).unwrap());
    messages.filter_map(|message| decoder.message(message, &Context::default()).unwrap()).collect()
}

#[test]
fn every_batch_comes_back_as_it_was() {
    for batch in [plain(), other()] {
        let parts: Vec<RecordBatch> = vec![
            batch.clone(),
            batch.slice(1, 2),
            batch.slice(0, 0),
            batch.slice(batch.num_rows() - 1, 1),
            batch.slice(3.min(batch.num_rows()), batch.num_rows().saturating_sub(3)),
        ];
        assert_eq!(round_trip(&parts), parts);
    }
}

#[test]
fn plain_columns_are_one_message_and_give_their_memory_back() {
    let (mut encoder, batch) = (Encoder::new(), plain());
    encoder.schema(&batch.schema());
    let first = encoder.batch(&batch).unwrap();
    assert_eq!(first.len(), 1);
    let place = first[0].data_body.as_ptr();
    drop(first);
    assert_eq!(encoder.batch(&batch).unwrap()[0].data_body.as_ptr(), place);
}

#[test]
fn a_batch_without_columns_keeps_its_rows() {
    let empty = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        vec![],
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(5)),
    )
    .unwrap();
    assert_eq!(round_trip(&[empty])[0].num_rows(), 5);
}

/// Every single byte of header and body changed in turn: an error or a batch that can be read, never a panic or a wild read.
#[test]
fn broken_messages_are_refused() {
    for batch in [plain().slice(0, 9), other()] {
        let mut encoder = Encoder::new();
        let schema = encoder.schema(&batch.schema());
        let messages = encoder.batch(&batch).unwrap();
        let mut refused = 0;
        for target in 0..messages.len() {
            let lengths = [messages[target].data_header.len(), messages[target].data_body.len()];
            for (part, length) in lengths.into_iter().enumerate() {
                for at in 0..length {
                    let mut broken = messages.clone();
                    let bytes = if part == 0 { &mut broken[target].data_header } else { &mut broken[target].data_body };
                    let mut changed = bytes.to_vec();
                    changed[at] ^= 0x85;
                    *bytes = Bytes::from(changed);
                    let mut decoder = Decoder::new(&schema, usize::MAX).unwrap();
                    for message in broken {
                        match decoder.message(message, &Context::default()) {
                            Ok(Some(batch)) => drop(format!("{batch:?}")),
                            Ok(None) => {}
                            Err(error) => {
                                assert!(matches!(error.kind(), Kind::InvalidArgument | Kind::ResourceExhausted), "{error:?}");
                                refused += 1;
                                break;
                            }
                        }
                    }
                }
            }
        }
        assert!(refused > 50, "only {refused} of the changes were noticed");
    }
}

#[test]
fn broken_schemas_are_refused() {
    let message = Encoder::new().schema(&other().schema());
    for at in 0..message.data_header.len() {
        let mut changed = message.data_header.to_vec();
        changed[at] ^= 0x85;
        let _ = Decoder::new(&FlightData { data_header: changed.into(), ..Default::default() }, usize::MAX);
    }
    assert!(Decoder::new(&FlightData::default(), usize::MAX).is_err());
    let unsound = Schema::new(vec![Field::new("a", DataType::FixedSizeBinary(-1), true)]);
    assert!(Decoder::new(&Encoder::new().schema(&unsound), usize::MAX).is_err());
}

#[test]
fn rows_and_dictionaries_are_bounded() {
    let rows = super::decode::MAX_ROWS + 1;
    let nulls = batch(vec![("n", Arc::new(NullArray::new(rows)))]);
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(&encoder.schema(&nulls.schema()), usize::MAX).unwrap();
    let message = encoder.batch(&nulls).unwrap().remove(0);
    assert_eq!(decoder.message(message, &Context::default()).unwrap_err().kind(), Kind::ResourceExhausted);

    let words = batch(vec![("d", Arc::new(DictionaryArray::<Int32Type>::from_iter(["a long word", "another"])))]);
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(&encoder.schema(&words.schema()), 16).unwrap();
    let message = encoder.batch(&words).unwrap().remove(0);
    assert_eq!(decoder.message(message, &Context::default()).unwrap_err().code(), "DICTIONARIES");
}
