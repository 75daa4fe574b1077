//! What bounds a stream's memory, asserted on the most that was held; and TLS.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow_flight::{FlightData, FlightDescriptor, encode::FlightDataEncoderBuilder, flight_service_client::FlightServiceClient};
use futures::{StreamExt, TryStreamExt};
use mlflight::{
    config::Secret,
    error::Kind,
    flight::{
        client::{Endpoint, ScoreStream},
        service::ServiceOptions,
    },
    ops::{HostOptions, TlsIdentity},
    score::CancelFlag,
};

use crate::{
    flight::{Running, WAIT, assert_sums, batch, named, single},
    support,
};

/// Rows of two doubles that make a message of a little over this many bytes.
const ROWS: usize = 40_000;
const MESSAGE: usize = ROWS * 16;

/// The messages of a stream that asks for the model `sum`.
fn messages(
    batches: impl Iterator<Item = RecordBatch> + Send + 'static,
) -> impl futures::Stream<Item = FlightData> + Send + 'static {
    let descriptor = FlightDescriptor::new_path(vec!["sum".into()]);
    let encoder = FlightDataEncoderBuilder::new().with_flight_descriptor(Some(descriptor));
    encoder.build(futures::stream::iter(batches.map(Ok))).map(Result::unwrap)
}

async fn connect(running: &Running) -> FlightServiceClient<tonic::transport::Channel> {
    let address = running.address.to_string().replace("grpc://", "http://");
    let endpoint = tonic::transport::Endpoint::from_shared(address).unwrap();
    FlightServiceClient::new(endpoint.connect().await.unwrap())
}

#[test]
fn all_streams_together_hold_the_limit_and_a_message_each() {
    const STREAMS: usize = 4;
    let limit = 3 * MESSAGE / 2;
    let options = HostOptions { memory_limit: limit, memory_timeout: Duration::from_secs(120), ..Default::default() };
    let running = Running::start(options, "127.0.0.1:0");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let stream = |_| async {
            let mut client = connect(&running).await;
            let sent = messages((0..12).map(|turn| batch(turn, ROWS)));
            let answers = client.do_exchange(sent).await.unwrap().into_inner();
            answers.try_fold(0, |count, _| async move { Ok(count + 1) }).await.unwrap()
        };
        let answered = futures::future::join_all((0..STREAMS).map(stream)).await;
        assert_eq!(answered, [1 + 12; STREAMS], "the schema, and an answer a batch");
    });
    let peak = running.host.usage().peak_bytes;
    // Two batches do not fit at once: that more was held shows that streams did read ahead of their turn.
    assert!(peak > limit, "{peak}");
    assert!(peak <= limit + STREAMS * (MESSAGE + 1024), "{peak}");
    running.wait_until_idle();
}

#[test]
fn a_client_that_does_not_read_fills_three_messages_and_no_more() {
    let options = ServiceOptions { stall_timeout: Duration::from_millis(200), ..Default::default() };
    let running = Running::with(HostOptions::default(), options, "127.0.0.1:0");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        // A window of 64 KiB is less than one answer.
        let address = running.address.to_string().replace("grpc://", "http://");
        let endpoint = tonic::transport::Endpoint::from_shared(address).unwrap().initial_stream_window_size(65_535);
        let mut client = FlightServiceClient::new(endpoint.connect().await.unwrap());
        // Once the answers fill the window the service reads no further, until it has given up and reads to throw away.
        let (all_taken, gave_up) = tokio::sync::oneshot::channel();
        let end = futures::stream::once(async move { all_taken.send(()) }).filter_map(|_| async { None });
        let sent = messages((0..100).map(|turn| batch(turn, ROWS))).chain(end);
        let answers = client.do_exchange(sent).await.unwrap().into_inner();
        gave_up.await.unwrap();
        // Nothing was read yet, and the client is still there.
        while running.host.usage().bytes > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // It is told so when it reads at last.
        let error = mlflight::flight::status::from_status(answers.try_for_each(|_| async { Ok(()) }).await.unwrap_err());
        assert_eq!((error.kind(), error.code()), (Kind::DeadlineExceeded, "UNREAD_ANSWER"));
        assert!(error.to_string().contains("read answers while writing"), "{error}");
    });
    // One answer waits for the reader, one behind it, and one batch was read ahead.
    let peak = running.host.usage().peak_bytes;
    assert!(peak <= 3 * (MESSAGE + 1024), "{peak}");
    running.wait_until_idle();
}

#[test]
fn a_client_that_vanishes_leaves_nothing_held() {
    let running = Running::start(HostOptions::default(), "127.0.0.1:0");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut client = connect(&running).await;
        let waiting = batch(0, ROWS).slice(0, 1);
        let column = || -> arrow::array::ArrayRef { std::sync::Arc::new(arrow::array::Float64Array::from(vec![WAIT; ROWS])) };
        let endless = RecordBatch::try_new(waiting.schema(), vec![column(), column()]).unwrap();
        // The first batch is never scored to its end; those behind it wait.
        let answers = client.do_exchange(messages(std::iter::repeat_n(endless, 20))).await.unwrap();
        while running.host.usage().bytes < 2 * MESSAGE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(running.host.usage().streams, 1);
        drop((answers, client));
    });
    // The gate was never opened: the job ended because its client had gone.
    running.wait_until_idle();
    let peak = running.host.usage().peak_bytes;
    assert!(peak <= 2 * (MESSAGE + 1024), "one in scoring, one read ahead: {peak}");
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(support::root().join("tests/data/tls").join(name)).unwrap()
}

#[test]
fn a_client_that_trusts_the_authority_scores_over_tls() {
    let identity = TlsIdentity::new(pem("server.pem"), Secret::new(pem("server.key"))).unwrap();
    let token = Some(Secret::new("0123456789abcdef"));
    let running = Running::start(HostOptions { tls: Some(identity), token, ..Default::default() }, "127.0.0.1:0");
    let address = running.address.to_string().replace("grpc://", "grpc+tls://");
    let open = |endpoint: Endpoint| {
        ScoreStream::open(&endpoint.token("0123456789abcdef"), &named("sum"), single(0.0).schema(), CancelFlag::default())
    };
    let endpoint = || Endpoint::parse(&address).unwrap();
    let mut stream = open(endpoint().ca(pem("ca.pem"))).unwrap();
    for rows in [1, 0, 65_536] {
        assert_sums(&stream.score(&batch(7, rows)).unwrap(), 7, rows);
    }
    let refused = |endpoint: Endpoint| {
        let error = open(endpoint).err().unwrap();
        assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "CONNECT"));
        error.to_string()
    };
    let wrong = refused(endpoint().ca(pem("other-ca.pem")));
    assert_eq!(wrong, format!("cannot reach the service at {address}: invalid peer certificate: UnknownIssuer"));
    let none = refused(endpoint());
    assert_eq!(none, format!("{wrong}; name the authority that signed the service's certificate"));
    // Without TLS nobody gets in: the service hangs up.
    let error = open(Endpoint::parse(&address.replace("grpc+tls://", "grpc://")).unwrap()).err().unwrap();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
}

#[test]
fn a_certificate_without_its_own_key_is_refused() {
    for (certificate, key) in
        [(pem("ca.pem"), pem("server.key")), (pem("server.pem"), "no key".into()), ("x".into(), pem("server.key"))]
    {
        let error = TlsIdentity::new(certificate, Secret::new(key)).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "TLS_IDENTITY"), "{error}");
    }
}
