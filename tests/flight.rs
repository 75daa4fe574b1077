//! The Flight service and its client, over real sockets. The model sums its double columns; a few of its inputs make it slow, fail or
//! panic, so that what happens then can be seen.

use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arrow::{
    array::{ArrayRef, AsArray, Float64Array, Int32Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Float64Type, Schema, SchemaRef},
};
use mlflight::{
    config::Secret,
    error::{Error, Kind, Result},
    flavors::Engine,
    flight::{
        client::{Endpoint, ScoreStream},
        service::{Service, ServiceOptions, serve},
    },
    mlmodel::MlModel,
    models::{LoadedModel, Models, Origin, RightsOptions},
    ops::{Address, Host, HostOptions, Listener},
    request::{Request, proto::ScoreSpec},
    score::{CancelFlag, Context, Model, Session, SessionOptions},
};

/// Opened by the test to let a waiting model go on.
#[derive(Default)]
pub struct Gate(Mutex<bool>, Condvar, AtomicUsize);

impl Gate {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    /// How many have waited on a thread that is not the compute pool's.
    fn guests(&self) -> usize {
        self.2.load(Ordering::SeqCst)
    }

    fn pass(&self, context: &Context) -> Result<()> {
        if std::thread::current().name() != Some("mlflight-score") {
            self.2.fetch_add(1, Ordering::SeqCst);
        }
        let mut open = self.0.lock().unwrap();
        while !*open {
            context.check()?;
            open = self.1.wait_timeout(open, Duration::from_millis(5)).unwrap().0;
        }
        Ok(())
    }
}

struct Summing {
    gate: Arc<Gate>,
}

struct SummingSession(Arc<Gate>);

impl Model for Summing {
    fn input(&self) -> Option<SchemaRef> {
        None
    }

    fn output(&self) -> Option<DataType> {
        Some(DataType::Float64)
    }

    fn memory(&self) -> usize {
        8
    }

    fn session(&self, _: &SessionOptions) -> Result<Box<dyn Session>> {
        Ok(Box::new(SummingSession(self.gate.clone())))
    }
}

const FAIL: f64 = -1.0;
const PANIC: f64 = -2.0;
pub const WAIT: f64 = -3.0;

impl Session for SummingSession {
    fn score(&mut self, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        let columns: Vec<&Float64Array> = batch.columns().iter().map(|column| column.as_primitive::<Float64Type>()).collect();
        for row in 0..batch.num_rows() {
            match columns[0].value(row) {
                FAIL => {
                    return Err(Error::new(Kind::ModelFailed, "TEST", "the model failed").row(row as u64).traceback("line 1"));
                }
                PANIC => panic!("on purpose"),
                WAIT => self.0.pass(context)?,
                _ => {}
            }
        }
        let sums = (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row)).sum::<f64>());
        let sums: ArrayRef = Arc::new(sums.collect::<Float64Array>());
        Ok(RecordBatch::try_from_iter([("0", sums)]).unwrap())
    }
}

pub struct Running {
    pub host: Arc<Host>,
    pub address: Address,
    pub gate: Arc<Gate>,
    thread: Option<std::thread::JoinHandle<Result<()>>>,
}

impl Running {
    pub fn start(options: HostOptions, address: &str) -> Self {
        Self::with(options, ServiceOptions::default(), address)
    }

    pub fn with(host: HostOptions, options: ServiceOptions, address: &str) -> Self {
        let gate = Arc::new(Gate::default());
        let models = Arc::new(Models::default());
        let loaded = LoadedModel {
            mlmodel: MlModel::new(),
            directory: PathBuf::from("sum"),
            model: Arc::new(Summing { gate: gate.clone() }),
            engine: Engine::Native,
            flavor: "sum".into(),
            reason: "a test".into(),
            origin: Origin { uri: "models:/sum/1".into(), digest: "ab".repeat(32) },
            lease: None,
        };
        models.insert("sum", Arc::new(loaded));
        let has_token = host.token.is_some();
        let host = Arc::new(Host::new(models, host));
        let service = Service::new(host.clone(), options);
        let (sender, receiver) = std::sync::mpsc::channel();
        let address: Address = address.parse().unwrap();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let listener = Listener::bind(&address, has_token).await?;
                sender.send(listener.address().clone()).unwrap();
                serve(service, listener).await
            })
        });
        Self { host, address: receiver.recv().unwrap(), gate, thread: Some(thread) }
    }

    fn tcp() -> Self {
        Self::start(HostOptions::default(), "127.0.0.1:0")
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&self.address.to_string()).unwrap()
    }

    fn open(&self, schema: SchemaRef) -> Result<ScoreStream> {
        ScoreStream::open(&self.endpoint(), &named("sum"), schema, CancelFlag::default())
    }

    /// Waits until nothing is held any more: what an ended stream had is given back.
    pub fn wait_until_idle(&self) {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            let usage = self.host.usage();
            if usage.streams == 0 && usage.bytes == 0 {
                return;
            }
            assert!(Instant::now() < patience, "still held: {usage:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gate.open();
        self.host.lifecycle().drain();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

pub fn named(name: &str) -> ScoreSpec {
    Request { uri: name.into(), ..Default::default() }.to_spec().unwrap()
}

pub fn batch(first: usize, rows: usize) -> RecordBatch {
    let column =
        |scale: f64| -> ArrayRef { Arc::new((first..first + rows).map(|row| row as f64 * scale).collect::<Float64Array>()) };
    RecordBatch::try_from_iter([("a", column(1.0)), ("b", column(2.0))]).unwrap()
}

pub fn single(value: f64) -> RecordBatch {
    let column = || -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
    RecordBatch::try_from_iter([("a", column()), ("b", column())]).unwrap()
}

pub fn assert_sums(answer: &RecordBatch, first: usize, rows: usize) {
    let sums = answer.column(0).as_primitive::<Float64Type>();
    assert_eq!((answer.schema().field(0).name().as_str(), sums.len()), ("prediction", rows));
    assert!((0..rows).all(|row| sums.value(row) == (first + row) as f64 * 3.0));
}

#[test]
fn batches_of_every_size_are_answered_in_order() {
    for address in ["127.0.0.1:0".to_owned(), format!("unix:{}", tempfile::tempdir().unwrap().keep().join("s").display())] {
        let running = Running::start(HostOptions::default(), &address);
        let mut stream = running.open(batch(0, 1).schema()).unwrap();
        let mut first = 0;
        for rows in [1, 0, 3, 10_000, 0, 1, 65_536, 7] {
            assert_sums(&stream.score(&batch(first, rows)).unwrap(), first, rows);
            first += rows;
        }
        stream.close();
        running.wait_until_idle();
    }
}

#[test]
fn a_batch_beyond_the_message_cap_is_sliced_and_joined() {
    let options = ServiceOptions { max_message_bytes: 64 << 10, ..ServiceOptions::default() };
    let running = Running::with(HostOptions::default(), options, "127.0.0.1:0");
    let endpoint = running.endpoint().max_message_bytes(64 << 10);
    let mut stream = ScoreStream::open(&endpoint, &named("sum"), batch(0, 1).schema(), CancelFlag::default()).unwrap();
    assert_sums(&stream.score(&batch(5, 50_000)).unwrap(), 5, 50_000);
    assert_sums(&stream.score(&batch(0, 2)).unwrap(), 0, 2);
    // The service itself never held more than the slice it scored and the one behind it, beside an answer.
    assert!(running.host.usage().peak_bytes <= 3 * (64 << 10), "{:?}", running.host.usage());
}

#[test]
fn a_message_beyond_the_services_cap_is_refused() {
    let running = Running::with(
        HostOptions::default(),
        ServiceOptions { max_message_bytes: 64 << 10, ..ServiceOptions::default() },
        "127.0.0.1:0",
    );
    let mut stream = running.open(batch(0, 1).schema()).unwrap();
    assert_eq!(stream.score(&batch(0, 50_000)).unwrap_err().code(), "MESSAGE_SIZE");
    running.wait_until_idle();
}

#[test]
fn streams_score_side_by_side() {
    let running = Running::tcp();
    std::thread::scope(|scope| {
        for worker in 0..6 {
            let running = &running;
            scope.spawn(move || {
                let mut stream = running.open(batch(0, 1).schema()).unwrap();
                for turn in 0..20 {
                    let first = worker * 1000 + turn;
                    assert_sums(&stream.score(&batch(first, 500)).unwrap(), first, 500);
                }
            });
        }
    });
    running.wait_until_idle();
}

#[test]
fn a_failing_model_says_why_and_the_service_goes_on() {
    let running = Running::tcp();
    let mut stream = running.open(single(0.0).schema()).unwrap();
    let error = stream.score(&single(FAIL)).unwrap_err();
    assert_eq!((error.kind(), error.code(), error.row_number()), (Kind::ModelFailed, "TEST", Some(0)));
    assert_eq!(error.traceback_text(), Some("line 1"));
    assert_eq!(stream.score(&single(1.0)).unwrap_err().code(), "STREAM_CLOSED");

    let mut stream = running.open(single(0.0).schema()).unwrap();
    assert_eq!(stream.score(&single(PANIC)).unwrap_err().kind(), Kind::Internal);
    running.wait_until_idle();
    assert_sums(&running.open(single(0.0).schema()).unwrap().score(&batch(4, 9)).unwrap(), 4, 9);
}

#[test]
fn cancel_ends_a_waiting_call_and_frees_what_it_held() {
    let running = Running::tcp();
    let cancel = CancelFlag::default();
    let mut stream = ScoreStream::open(&running.endpoint(), &named("sum"), single(0.0).schema(), cancel.clone()).unwrap();
    let killer = std::thread::spawn({
        let host = running.host.clone();
        move || {
            while host.usage().bytes == 0 {
                std::thread::yield_now();
            }
            cancel.cancel();
        }
    });
    let error = stream.score(&single(WAIT)).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    killer.join().unwrap();
    drop(stream);
    running.wait_until_idle();
}

#[test]
fn a_batch_past_its_deadline_fails() {
    let running = Running::start(HostOptions { batch_timeout: Duration::from_millis(500), ..Default::default() }, "127.0.0.1:0");
    for quick in [0, 10_000] {
        let mut stream = running.open(single(0.0).schema()).unwrap();
        assert_sums(&stream.score(&batch(0, quick)).unwrap(), 0, quick);
        let error = stream.score(&single(WAIT)).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::DeadlineExceeded, "DEADLINE_EXCEEDED"));
        running.wait_until_idle();
    }
    // After a quick batch the next is scored by the thread that received it.
    assert_eq!(running.gate.guests(), 1);
}

#[test]
fn batches_that_turn_out_slow_hold_up_nobody_and_end_with_their_clients() {
    // More than the runtime has threads: if they held on to them nobody else would be answered.
    let slow = std::thread::available_parallelism().unwrap().get() + 1;
    let batch_timeout = Duration::from_secs(60);
    let running = Running::start(HostOptions { threads: slow + 1, batch_timeout, ..Default::default() }, "127.0.0.1:0");
    let cancel = CancelFlag::default();
    std::thread::scope(|scope| {
        let wait = || {
            let mut stream = ScoreStream::open(&running.endpoint(), &named("sum"), single(0.0).schema(), cancel.clone()).unwrap();
            assert_sums(&stream.score(&batch(0, 10_000)).unwrap(), 0, 10_000);
            stream.score(&single(WAIT)).unwrap_err()
        };
        let waiting: Vec<_> = (0..slow).map(|_| scope.spawn(wait)).collect();
        let patience = Instant::now() + Duration::from_secs(10);
        while running.gate.guests() < slow && Instant::now() < patience {
            std::thread::yield_now();
        }
        let guests = running.gate.guests();
        let answers = running.open(single(0.0).schema()).and_then(|mut stream| stream.score(&batch(3, 65_536)));
        cancel.cancel();
        for thread in waiting {
            assert_eq!(thread.join().unwrap().kind(), Kind::Cancelled);
        }
        assert_eq!(guests, slow, "so many wait on the threads that received them");
        assert_sums(&answers.unwrap(), 3, 65_536);
    });
    // The gate was never opened: their clients' going ended them.
    running.wait_until_idle();
}

#[test]
fn a_batch_that_finds_no_memory_is_refused() {
    let options = HostOptions { memory_limit: 1 << 20, memory_timeout: Duration::from_millis(50), ..Default::default() };
    let running = Running::start(options, "127.0.0.1:0");
    let mut stream = running.open(batch(0, 1).schema()).unwrap();
    let error = stream.score(&batch(0, 100_000)).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::ResourceExhausted, "MEMORY_LIMIT"));
    running.wait_until_idle();
}

#[test]
fn draining_finishes_what_runs_and_takes_nothing_new() {
    let running = Running::tcp();
    let mut stream = running.open(single(0.0).schema()).unwrap();
    let late = running.endpoint();
    std::thread::scope(|scope| {
        let scoring = scope.spawn(|| stream.score(&single(WAIT)));
        while running.host.usage().bytes == 0 {
            std::thread::yield_now();
        }
        running.host.lifecycle().drain();
        let refused = ScoreStream::open(&late, &named("sum"), single(0.0).schema(), CancelFlag::default());
        assert_eq!(refused.err().unwrap().kind(), Kind::Unavailable);
        running.gate.open();
        assert_eq!(scoring.join().unwrap().unwrap().num_rows(), 1);
    });
    drop(stream);
}

#[test]
fn wrong_requests_are_refused_by_kind() {
    let running = Running::tcp();
    let refused = |spec: &ScoreSpec| {
        ScoreStream::open(&running.endpoint(), spec, single(0.0).schema(), CancelFlag::default()).err().unwrap()
    };
    let error = refused(&named("other"));
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.message().contains("it serves sum"), "{error}");
    assert_eq!(refused(&named("/models/other")).kind(), Kind::PermissionDenied);
    assert_eq!(refused(&ScoreSpec { protocol: 9, ..named("sum") }).code(), "PROTOCOL_VERSION");
    assert_eq!(refused(&ScoreSpec { digest: "cd".repeat(32), ..named("sum") }).code(), "DIGEST_MISMATCH");
    assert_eq!(refused(&ScoreSpec { engine: "python".into(), ..named("sum") }).kind(), Kind::PermissionDenied);
    let extra_env = [("A".to_owned(), "1".to_owned())].into();
    assert_eq!(refused(&ScoreSpec { extra_env, ..named("sum") }).kind(), Kind::PermissionDenied);
    let model_config = "{\"a\": 1}".to_owned();
    assert_eq!(refused(&ScoreSpec { model_config, ..named("sum") }).kind(), Kind::PermissionDenied);
    // The model is also found by what it is, and by where it came from.
    for spec in [ScoreSpec { digest: "ab".repeat(32), ..named("/anywhere") }, named("models:/sum/1")] {
        ScoreStream::open(&running.endpoint(), &spec, single(0.0).schema(), CancelFlag::default()).unwrap();
    }
    let mut stream = running.open(single(0.0).schema()).unwrap();
    let other: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let other = RecordBatch::try_from_iter([("a", other)]).unwrap();
    assert_eq!(stream.score(&other).unwrap_err().code(), "BATCH_SCHEMA");
}

#[test]
fn a_service_with_a_token_wants_it() {
    let token = Secret::new("0123456789abcdef");
    let running = Running::start(HostOptions { token: Some(token), ..Default::default() }, "127.0.0.1:0");
    let open = |endpoint: Endpoint| ScoreStream::open(&endpoint, &named("sum"), single(0.0).schema(), CancelFlag::default());
    assert_eq!(open(running.endpoint()).err().unwrap().kind(), Kind::Unauthenticated);
    assert_eq!(open(running.endpoint().token("0123456789abcdeF")).err().unwrap().kind(), Kind::Unauthenticated);
    open(running.endpoint().token("0123456789abcdef")).unwrap();
}

#[test]
fn a_service_without_a_token_does_not_listen_to_other_machines() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bind = |address: &str, token| runtime.block_on(Listener::bind(&address.parse().unwrap(), token)).map(|_| ());
    let error = bind("0.0.0.0:0", false).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::PermissionDenied, "OPEN_ADDRESS"));
    bind("0.0.0.0:0", true).unwrap();
    bind("127.0.0.1:0", false).unwrap();
    let long = format!("unix:/tmp/{}", "x".repeat(120));
    assert_eq!(bind(&long, false).unwrap_err().code(), "SOCKET_PATH");
}

#[test]
fn an_unreachable_service_is_one_clear_error() {
    for address in ["grpc://127.0.0.1:1", "unix:/nowhere/s"] {
        let endpoint = Endpoint::parse(address).unwrap();
        let error = ScoreStream::open(&endpoint, &named("sum"), single(0.0).schema(), CancelFlag::default()).err().unwrap();
        assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "CONNECT"), "{error}");
    }
}

#[test]
fn other_columns_cross_the_wire_unchanged() {
    // The model refuses what is not double: the error proves that the text column arrived.
    let running = Running::tcp();
    let schema = Arc::new(Schema::new(vec![Field::new("s", DataType::Utf8, true)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
    let texts = RecordBatch::try_new(schema.clone(), vec![texts]).unwrap();
    assert_eq!(running.open(schema).unwrap().score(&texts).unwrap_err().code(), "PANIC");
}

#[test]
fn prefixes_do_not_let_links_lead_out() {
    let (allowed, secret) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(secret.path(), allowed.path().join("link")).unwrap();
    std::fs::write(secret.path().join("MLmodel"), "flavors: {}").unwrap();
    let rights = RightsOptions { load_prefixes: vec![allowed.path().to_str().unwrap().into()], ..RightsOptions::default() };
    let running = Running::start(HostOptions { rights, ..Default::default() }, "127.0.0.1:0");
    let spec = named(allowed.path().join("link").to_str().unwrap());
    let error = ScoreStream::open(&running.endpoint(), &spec, single(0.0).schema(), CancelFlag::default()).err().unwrap();
    assert_eq!(error.kind(), Kind::PermissionDenied, "{error:?}");
    let spec = named(&format!("{}/../x", allowed.path().display()));
    let error = ScoreStream::open(&running.endpoint(), &spec, single(0.0).schema(), CancelFlag::default()).err().unwrap();
    assert_eq!(error.kind(), Kind::PermissionDenied);
}
