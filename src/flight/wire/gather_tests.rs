use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow_flight::{FlightData, FlightDescriptor};
use bytes::{BufMut, Bytes};
use prost::Message;

use super::{Decoder, Encoder, Gather};
use crate::error::{Kind, Result};

/// A stream's opening and two batches.
fn messages() -> Vec<FlightData> {
    let column = |rows: i32| -> ArrayRef { Arc::new((0..rows).map(f64::from).collect::<Float64Array>()) };
    let batch = |rows| RecordBatch::try_from_iter([("a", column(rows)), ("b", column(rows))]).unwrap();
    let mut encoder = Encoder::new();
    let mut opening = encoder.schema(&batch(0).schema());
    opening.flight_descriptor = Some(FlightDescriptor::new_path(vec!["model".into()]));
    let descriptor_alone = FlightData { data_header: Bytes::new(), ..opening.clone() };
    let batches = [9, 0, 40].map(|rows| encoder.batch(&batch(rows)).unwrap().remove(0));
    let mut messages = vec![descriptor_alone, opening, FlightData::default()];
    messages.extend(batches);
    messages[3].app_metadata = "seen".into();
    messages
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.put_u32(payload.len() as u32);
    framed.extend_from_slice(payload);
    framed
}

fn stream(messages: &[FlightData]) -> Vec<u8> {
    messages.iter().flat_map(|message| framed(&message.encode_to_vec())).collect()
}

/// What comes of pieces, and whether the stream ended between two messages.
fn gather<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<FlightData>, bool)> {
    let (mut gather, mut found) = (Gather::new(1 << 20), vec![]);
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(message) = gather.take(&mut piece)? {
            found.push(message);
        }
    }
    Ok((found, gather.is_between()))
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let messages = messages();
    let bytes = stream(&messages);
    for at in 0..=bytes.len() {
        assert_eq!(gather([&bytes[..at], &bytes[at..]]).unwrap(), (messages.clone(), true), "cut at {at}");
    }
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(gather(bytes.chunks(size)).unwrap(), (messages.clone(), true), "pieces of {size}");
    }
}

#[test]
fn an_end_within_a_message_shows() {
    let bytes = stream(&messages()[..1]);
    for at in 1..bytes.len() {
        assert_eq!(gather([&bytes[..at]]).unwrap(), (vec![], false), "{at}");
    }
}

#[test]
fn columns_are_read_in_place_and_their_memory_is_used_again() {
    let messages = messages();
    let mut decoder = Decoder::new(&messages[1], usize::MAX).unwrap();
    let mut bytes = Bytes::from(stream(&[messages[5].clone(), messages[5].clone(), messages[3].clone()]));
    let mut gather = Gather::new(1 << 20);
    let mut next = || gather.take(&mut bytes).unwrap().unwrap();
    let first = next();
    let place = first.data_body.as_ptr();
    let batch = decoder.message(first, &crate::score::Context::default()).unwrap().unwrap();
    let values = batch.column(1).to_data().buffers()[0].as_ptr();
    assert_eq!(values as usize - place as usize, 40 * 8, "the second column lies where it came");
    // The batch is still there: what comes next lies elsewhere.
    let second = next();
    assert_ne!(second.data_body.as_ptr(), place);
    drop(batch);
    assert_eq!(next().data_body.as_ptr(), place);
}

#[test]
fn fields_come_in_any_order_and_the_last_counts() {
    let body = |bytes: &'static [u8]| FlightData { data_body: bytes.into(), ..Default::default() }.encode_to_vec();
    let header = FlightData { data_header: "header".into(), ..Default::default() }.encode_to_vec();
    // Fields 15 and 16 are unknown: a number, eight bytes, four bytes, text.
    let unknown = [0x78, 0x96, 0x01, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7d, 1, 2, 3, 4, 0x82, 0x01, 2, b'h', b'i'];
    let payload = [&body(b"first")[..], &unknown, &body(b"second body"), &header].concat();
    let (found, _) = gather([&framed(&payload)[..]]).unwrap();
    assert_eq!(found[0], FlightData::decode(&payload[..]).unwrap());
    assert_eq!((&found[0].data_header[..], &found[0].data_body[..]), (&b"header"[..], &b"second body"[..]));
}

/// Every single byte changed in turn: what prost makes of it, or refused as prost does.
#[test]
fn broken_messages_are_those_that_prost_refuses() {
    let payload = messages()[3].encode_to_vec();
    let (mut refused, mut taken) = (0, 0);
    for at in 0..payload.len() {
        for change in [0x01, 0x80, 0x85, 0xff] {
            let mut changed = payload.clone();
            changed[at] ^= change;
            match (gather([&framed(&changed)[..]]), FlightData::decode(&changed[..])) {
                (Ok((found, _)), Ok(expected)) => {
                    assert_eq!(found, [expected]);
                    taken += 1;
                }
                (Err(error), Err(_)) => {
                    assert_eq!(error.kind(), Kind::InvalidArgument, "{error}");
                    refused += 1;
                }
                (found, expected) => panic!("byte {at} ^ {change:x}: {found:?}, and prost has {expected:?}"),
            }
        }
    }
    assert!(refused > 20 && taken > 100, "{refused} refused, {taken} taken");
}

#[test]
fn what_breaks_the_framing_is_refused() {
    let refused = |bytes: &[u8]| gather([bytes]).unwrap_err();
    assert_eq!(refused(&[1, 0, 0, 0, 0]).kind(), Kind::InvalidArgument, "compressed, without a header that says so");
    let error = refused(&[0, 0, 16, 0, 1]);
    assert_eq!((error.kind(), error.code()), (Kind::ResourceExhausted, "MESSAGE_SIZE"));
    assert!(error.to_string().contains("1048577 bytes, the limit is 1048576"), "{error}");
    for endless in [vec![0xff; 30], vec![0x08; 1], [vec![0x0a], vec![0xff; 25]].concat(), vec![0x0a, 5, 1], vec![0x0b, 0x0c]] {
        assert_eq!(refused(&framed(&endless)).code(), "MALFORMED_MESSAGE", "{endless:x?}");
    }
}
