//! Calls that no honest client makes, to a service over a real socket: each ends in an error or an answer, and the service goes on.

use arrow::{
    array::{ArrayRef, BinaryArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use arrow_flight::{
    Action, FlightData, FlightDescriptor, Ticket, encode::FlightDataEncoderBuilder, flight_service_client::FlightServiceClient,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use mlflight::{config::Secret, models::RightsOptions, ops::HostOptions, request::proto::UploadSpec};
use prost::Message;
use std::sync::Arc;
use tonic::{Request, transport::Channel};

use crate::{
    flight::{Running, assert_sums, batch, named},
    support::dice::Dice,
};

const TOKEN: &str = "0123456789abcdef";

impl Dice {
    fn mutate(&mut self, bytes: &[u8]) -> Bytes {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len());
            match self.roll(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.roll(256) as u8),
                2 if at + 8 <= bytes.len() => {
                    bytes[at..at + 8].copy_from_slice(&[i64::MAX, i64::MIN, 1 << 40, -1][self.roll(4)].to_le_bytes());
                }
                _ if at < bytes.len() => bytes[at] ^= 1 << self.roll(8),
                _ => {}
            }
        }
        bytes.into()
    }
}

fn shown<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    request
}

async fn encoded(batch: RecordBatch, descriptor: FlightDescriptor) -> Vec<FlightData> {
    let encoder = FlightDataEncoderBuilder::new().with_flight_descriptor(Some(descriptor));
    encoder.build(futures::stream::iter([Ok(batch)])).map(Result::unwrap).collect().await
}

/// A stream with one of its messages changed.
fn changed(dice: &mut Dice, messages: &[FlightData]) -> Vec<FlightData> {
    let mut messages = messages.to_vec();
    let target = dice.roll(messages.len());
    let message = &mut messages[target];
    match dice.roll(4) {
        0 => message.data_body = dice.mutate(&message.data_body),
        1 if message.flight_descriptor.is_some() => {
            let descriptor = message.flight_descriptor.get_or_insert_default();
            descriptor.cmd = dice.mutate(&descriptor.cmd);
        }
        2 => message.app_metadata = dice.mutate(b"metadata"),
        _ => message.data_header = dice.mutate(&message.data_header),
    }
    messages
}

async fn exchange(client: &mut FlightServiceClient<Channel>, messages: Vec<FlightData>) -> Result<usize, tonic::Status> {
    let answers = client.do_exchange(shown(futures::stream::iter(messages))).await?.into_inner();
    answers.try_fold(0, |count, _| async move { Ok(count + 1) }).await
}

#[test]
fn no_call_ends_the_service() {
    let kept = tempfile::tempdir().unwrap();
    let rights =
        RightsOptions { upload: Some(kept.path().into()), load_prefixes: vec!["/models".into()], ..RightsOptions::default() };
    let token = Some(Secret::new(TOKEN));
    let running = Running::start(HostOptions { token, rights, memory_limit: 8 << 20, ..Default::default() }, "127.0.0.1:0");
    let spec = named("sum").encode_to_vec();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let address = running.address.to_string().replace("grpc://", "http://");
        let endpoint = tonic::transport::Endpoint::from_shared(address).unwrap();
        let mut client = FlightServiceClient::new(endpoint.connect().await.unwrap());
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let scored = encoded(batch(0, 50), FlightDescriptor::new_cmd(spec.clone())).await;
        assert_eq!(exchange(&mut client, scored.clone()).await.unwrap(), 2);
        let upload = UploadSpec { name: "up".into(), digest: "ab".repeat(32) }.encode_to_vec();
        let columns: [ArrayRef; 2] =
            [Arc::new(StringArray::from(vec!["MLmodel"; 2])), Arc::new(BinaryArray::from(vec![b"flavors".as_slice(); 2]))];
        let schema = Schema::new(vec![Field::new("path", DataType::Utf8, true), Field::new("data", DataType::Binary, true)]);
        let files = RecordBatch::try_new(Arc::new(schema), columns.to_vec()).unwrap();
        let uploaded = encoded(files, FlightDescriptor::new_cmd(upload)).await;
        let (mut refused, mut answered) = (0, 0);
        for turn in 0..150 {
            let outcomes = [
                exchange(&mut client, changed(&mut dice, &scored)).await.is_ok(),
                client.do_put(shown(futures::stream::iter(changed(&mut dice, &uploaded)))).await.is_ok(),
                client.get_flight_info(shown(FlightDescriptor::new_cmd(dice.mutate(&spec)))).await.is_ok(),
                client.get_schema(shown(FlightDescriptor::new_cmd(dice.mutate(&spec)))).await.is_ok(),
                client.do_action(shown(Action::new("load", dice.mutate(&spec)))).await.is_ok(),
                client.do_action(shown(Action::new("describe", dice.mutate(b"sum")))).await.is_ok(),
                client.do_action(shown(Action::new(format!("action {turn}"), dice.mutate(&spec)))).await.is_ok(),
                client.do_get(shown(Ticket::new(dice.mutate(&spec)))).await.is_ok(),
            ];
            answered += outcomes.iter().filter(|answered| **answered).count();
            refused += outcomes.iter().filter(|answered| !**answered).count();
        }
        assert!(refused > 500 && answered > 20, "{refused} refused, {answered} answered");
        assert_eq!(exchange(&mut client, scored).await.unwrap(), 2, "it goes on");
    });
    assert_eq!(std::fs::read_dir(kept.path()).unwrap().count(), 0, "what was refused leaves nothing");
    running.wait_until_idle();
    let peak = running.host.usage().peak_bytes;
    assert!(peak <= 9 << 20, "{peak}");
    let endpoint = mlflight::flight::client::Endpoint::parse(&running.address.to_string()).unwrap().token(TOKEN);
    let mut stream =
        mlflight::flight::client::ScoreStream::open(&endpoint, &named("sum"), batch(0, 1).schema(), Default::default()).unwrap();
    assert_sums(&stream.score(&batch(3, 9)).unwrap(), 3, 9);
}
