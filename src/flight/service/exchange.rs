//! One scoring stream: batches in, predictions out, one batch ahead.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use arrow_flight::{FlightData, FlightDescriptor, flight_descriptor::DescriptorType};
use futures::{Stream, StreamExt};
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{ServiceCore, incoming::Incoming};
use crate::{
    error::{Error, Kind, Result},
    flavors::Engine,
    flight::{
        MESSAGE_OVERHEAD, status,
        wire::{Decoder, Encoder, too_large},
    },
    ops::{Held, Pool},
    request::{
        self,
        proto::{ScoreBatchInfo, ScoreSpec},
    },
    score::{CancelFlag, Context, ScorerSession},
};

/// What tonic takes as the answer of a stream.
pub type Answers = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// Starts scoring `input`; the answers come as they are made. The stream runs apart from the answer's reader, so that a reader who
/// goes away is noticed while a batch is scored.
pub fn start(shared: Arc<ServiceCore>, input: Incoming) -> Answers {
    let (answers, receiver) = mpsc::channel(1);
    let (fail, failure) = oneshot::channel();
    let reader = Reader::default();
    let cancel = reader.0.clone();
    let host = shared.host.clone();
    host.lifecycle().spawn(async move {
        let mut exchange = Exchange { shared, input, answers, queued: Parcel::default(), ahead: None, ended: false, cancel };
        let Err(error) = exchange.run().await else { return };
        let kind = error.kind();
        if kind != Kind::Cancelled {
            tracing::warn!("a scoring stream failed: {error:?}");
        }
        let stalled = error.code() == STALLED;
        let _ = fail.send(status::to_status(&error));
        let Exchange { mut input, answers, queued, ahead, .. } = exchange;
        drop((answers, ahead));
        if stalled {
            // Nobody reads it: what it holds is given back now, however long the client stays.
            take(&queued);
        }
        // A client that only writes can learn of the failure once its writing ends: let it write, keep nothing.
        while stalled && matches!(input.next().await, Ok(Some(_))) {}
    });
    let failure = futures::stream::once(failure).filter_map(|status| async { status.ok().map(Err) });
    // What an answer holds is given back when the transport takes it.
    let answers = ReceiverStream::new(receiver).filter_map(move |parcel| {
        let _until_the_end = &reader;
        async move { take(&parcel).map(|answer| Ok(answer.message)) }
    });
    Box::pin(answers.chain(failure))
}

/// Who reads the answers: going away, it stops the batch that is scored.
#[derive(Default)]
struct Reader(CancelFlag);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The model a descriptor names: a [`ScoreSpec`] as its command, or the path `[name]` from clients that know only Flight.
pub fn spec_of(descriptor: Option<&FlightDescriptor>) -> Result<ScoreSpec> {
    let wrong = |message: &str| {
        Error::new(Kind::InvalidArgument, "DESCRIPTOR", message)
            .remedy("name the model with a descriptor whose path is [name], or whose command is a ScoreSpec")
    };
    let descriptor = descriptor.ok_or_else(|| wrong("the first message has no descriptor"))?;
    match DescriptorType::try_from(descriptor.r#type) {
        Ok(DescriptorType::Cmd) => request::decode(&descriptor.cmd),
        Ok(DescriptorType::Path) => match descriptor.path.as_slice() {
            [name] => Ok(ScoreSpec { protocol: request::PROTOCOL, uri: name.clone(), ..ScoreSpec::default() }),
            _ => Err(wrong("the descriptor's path must be one name")),
        },
        _ => Err(wrong("the descriptor has neither path nor command")),
    }
}

const STALLED: &str = "UNREAD_ANSWER";

pub fn vanished() -> Error {
    Error::new(Kind::Cancelled, "CLIENT_GONE", "the client went away")
}

fn draining() -> Error {
    Error::new(Kind::Unavailable, "DRAINING", "the service is ending").remedy("try again, or another service")
}

/// A message that arrived, perhaps while the batch before it was scored.
struct Ahead {
    message: FlightData,
    arrived: Instant,
    held: Held,
}

impl Ahead {
    fn new(shared: &ServiceCore, message: FlightData) -> Self {
        let held = shared.host.memory().arrived(message.data_header.len() + message.data_body.len());
        Self { message, arrived: Instant::now(), held }
    }
}

/// What waits for the reader, with the memory that is held for it.
struct HeldAnswer {
    message: FlightData,
    _held: Option<Held>,
}

/// An answer on its way to the reader, who takes it out.
type Parcel = Arc<Mutex<Option<HeldAnswer>>>;

fn take(parcel: &Parcel) -> Option<HeldAnswer> {
    parcel.lock().unwrap_or_else(PoisonError::into_inner).take()
}

struct Exchange {
    shared: Arc<ServiceCore>,
    input: Incoming,
    answers: mpsc::Sender<Parcel>,
    /// The last of them.
    queued: Parcel,
    ahead: Option<Ahead>,
    ended: bool,
    cancel: CancelFlag,
}

impl Exchange {
    async fn run(&mut self) -> Result<()> {
        let Some(first) = self.next().await? else { return Ok(()) };
        let spec = spec_of(first.message.flight_descriptor.as_ref())?;
        let mut opening = first.message;
        // pyarrow sends the descriptor alone first, and the schema with the first batch.
        if opening.data_header.is_empty() {
            match self.next().await? {
                Some(next) => opening = next.message,
                None => return Ok(()),
            }
        }
        let decoder = Decoder::new(&opening, self.shared.options.max_message_bytes)?;
        tracing::debug!(model = spec.uri, labels = ?spec.labels, "stream opened");
        let (mut work, python) = self.open(spec, decoder).await?;
        let mut opened = false;
        if work.session.schema().is_some() {
            self.send(work.opening()).await?;
            opened = true;
        }
        while let Some(mut next) = self.next().await? {
            if next.message.data_header.is_empty() {
                continue;
            }
            let claimed = work.decoder.claim(&next.message)?;
            self.shared.host.memory().grow(&mut next.held, claimed)?;
            self.admit(&mut next.held).await?;
            let (back, answer) = self.score(work, next, python).await?;
            work = back;
            if let Some(answer) = answer {
                self.check_size(&answer.message)?;
                // The first answer has told the type.
                if !std::mem::replace(&mut opened, true) {
                    self.send(work.opening()).await?;
                }
                self.send(answer).await?;
            }
        }
        if !opened {
            self.send(work.opening()).await?;
        }
        Ok(())
    }

    /// The next message; `None` when the client has no more.
    async fn next(&mut self) -> Result<Option<Ahead>> {
        if self.ahead.is_some() || self.ended {
            return Ok(self.ahead.take());
        }
        let host = self.shared.host.clone();
        tokio::select! {
            biased;
            () = self.answers.closed() => Err(vanished()),
            () = host.lifecycle().stopped() => Err(draining()),
            message = self.input.next() => Ok(message?.map(|message| Ahead::new(&self.shared, message))),
        }
    }

    /// Takes the next message as soon as it comes, but no more than one.
    async fn look_ahead(shared: &ServiceCore, input: &mut Incoming, ahead: &mut Option<Ahead>, ended: &mut bool) -> Result<()> {
        if ahead.is_some() || *ended {
            return std::future::pending().await;
        }
        *ahead = input.next().await?.map(|message| Ahead::new(shared, message));
        *ended = ahead.is_none();
        Ok(())
    }

    async fn admit(&mut self, held: &mut Held) -> Result<()> {
        tokio::select! {
            biased;
            () = self.answers.closed() => Err(vanished()),
            admitted = self.shared.host.memory().admit(held) => admitted,
        }
    }

    /// Finds or loads the model and starts its session, off the I/O threads.
    async fn open(&mut self, spec: ScoreSpec, decoder: Decoder) -> Result<(Work, bool)> {
        let shared = self.shared.clone();
        let opening = async move {
            let resolving = shared.clone();
            let resolve = move || resolving.resolve(&spec);
            let (model, options) = tokio::task::spawn_blocking(resolve).await.map_err(|_| panicked())??;
            let python = model.engine == Engine::Python;
            let open = move || {
                let session = model.scorer(options)?.open(decoder.schema())?;
                Ok(Work { decoder, session, encoder: Encoder::new(), rows: 0, pace: None, dictionaries: None })
            };
            Ok((on(shared.host.pool(python), open).await??, python))
        };
        tokio::select! {
            biased;
            () = self.answers.closed() => Err(vanished()),
            opened = opening => opened,
        }
    }

    /// Scores one message: at once where it is expected to be short, else on the pool. Its memory is held until the job has really
    /// ended, whoever still waits for it.
    async fn score(&mut self, work: Work, next: Ahead, python: bool) -> Result<(Work, Option<HeldAnswer>)> {
        let Ahead { message, arrived, held } = next;
        let deadline = arrived + self.shared.host.options().batch_timeout;
        let mut done = self.step(work, Given::Message(message), held, deadline, python).await?;
        loop {
            match done {
                (work, Scored::Answer(message), held) => return Ok((work, Some(HeldAnswer { message, _held: Some(held) }))),
                (mut work, Scored::Dictionary, held) => {
                    work.keep(held);
                    return Ok((work, None));
                }
                (work, Scored::Grown(batch, bytes), mut held) => {
                    self.shared.host.memory().grow(&mut held, bytes)?;
                    self.admit(&mut held).await?;
                    done = self.step(work, Given::Batch(batch), held, deadline, python).await?;
                }
            }
        }
    }

    async fn step(
        &mut self,
        mut work: Work,
        given: Given,
        held: Held,
        deadline: Instant,
        python: bool,
    ) -> Result<(Work, Scored, Held)> {
        let shared = self.shared.clone();
        let context = Context::new(self.cancel.clone()).with_deadline(deadline);
        let bytes = held.bytes();
        if !python
            && work.is_short(bytes)
            && let Some(place) = shared.host.pool(python).enter()
        {
            let patience = Instant::now() + PATIENCE;
            let brief = context.clone().with_deadline(deadline.min(patience));
            match caught(|| work.score(given.clone(), bytes, &brief)) {
                // Not short after all: the pool begins again.
                Err(error) if error.kind() == Kind::DeadlineExceeded && patience < deadline => drop(place),
                scored => return Ok((work, scored?, held)),
            }
        }
        let job = on(shared.host.pool(python), move || {
            let scored = work.score(given, bytes, &context)?;
            Ok((work, scored, held))
        });
        tokio::pin!(job);
        let failed = loop {
            tokio::select! {
                biased;
                scored = &mut job => return scored?,
                () = self.answers.closed() => break vanished(),
                () = shared.host.lifecycle().stopped() => break draining(),
                () = tokio::time::sleep_until(deadline.into()) => break late(&shared),
                looked = Self::look_ahead(&shared, &mut self.input, &mut self.ahead, &mut self.ended) => if let Err(error) = looked { break error },
            }
        };
        self.cancel.cancel();
        Err(failed)
    }

    /// Hands an answer to the reader, and fails when it stays unread while the next batch waits.
    async fn send(&mut self, answer: HeldAnswer) -> Result<()> {
        let shared = self.shared.clone();
        let patience = shared.options.stall_timeout;
        let Self { input, answers, queued, ahead, ended, .. } = self;
        let mut blocked_since = None;
        loop {
            if ahead.is_some() {
                blocked_since.get_or_insert_with(tokio::time::Instant::now);
            }
            let stalled = async {
                match blocked_since {
                    Some(since) => tokio::time::sleep_until(since + patience).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                permit = answers.reserve() => {
                    *queued = Arc::new(Mutex::new(Some(answer)));
                    permit.map_err(|_| vanished())?.send(queued.clone());
                    return Ok(());
                }
                () = shared.host.lifecycle().stopped() => return Err(draining()),
                () = stalled => return Err(unread(patience)),
                looked = Self::look_ahead(&shared, input, ahead, ended) => looked?,
            }
        }
    }

    fn check_size(&self, answer: &FlightData) -> Result<()> {
        let (size, limit) = (answer.data_header.len() + answer.data_body.len(), self.shared.options.max_message_bytes);
        if size + MESSAGE_OVERHEAD <= limit {
            return Ok(());
        }
        Err(Error::new(
            Kind::ResourceExhausted,
            "ANSWER_SIZE",
            format!("the answer to the batch takes {size} bytes, the limit is {limit}"),
        )
        .remedy("send batches of fewer rows, or raise --max-message-bytes at both ends"))
    }
}

/// Why no message came: one that is too large, else a client that reset its stream or left.
pub fn lost(status: &Status) -> Error {
    match status.code() {
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => too_large(status.message()),
        tonic::Code::Unimplemented => Error::new(Kind::Unimplemented, "COMPRESSION", status.message().to_owned()),
        _ => vanished(),
    }
}

fn late(shared: &ServiceCore) -> Error {
    let timeout = shared.host.options().batch_timeout;
    Error::new(Kind::DeadlineExceeded, "DEADLINE_EXCEEDED", format!("the batch was not scored within {timeout:?}"))
        .remedy("send smaller batches or raise --batch-timeout")
}

fn unread(patience: Duration) -> Error {
    let message = format!("an answer was not read for {patience:?} while the next batch waited");
    Error::new(Kind::DeadlineExceeded, STALLED, message).remedy("read answers while writing, from a second thread where need be")
}

fn panicked() -> Error {
    Error::new(Kind::Internal, "PANIC", "scoring panicked: this is a bug in mlflight; the service's log says where")
}

/// What a stream carries from batch to batch.
struct Work {
    decoder: Decoder,
    session: ScorerSession,
    encoder: Encoder,
    rows: u64,
    /// Nanoseconds that a byte of the last batch took.
    pace: Option<f64>,
    /// The memory of the stream's dictionaries.
    dictionaries: Option<Held>,
}

/// What is to be scored.
#[derive(Clone)]
enum Given {
    Message(FlightData),
    Batch(RecordBatch),
}

/// What came of it.
enum Scored {
    Answer(FlightData),
    /// It was a dictionary, for batches that follow.
    Dictionary,
    /// The batch takes so many bytes more than its message said.
    Grown(RecordBatch, usize),
}

/// A batch of a native model that is expected to take no longer is scored by the thread that received it: its values are in that
/// core's cache, and handing it to another thread and back costs as much as it does (measured on two busy cores, a batch's round trip
/// from pyarrow, median and 90th percentile: 310 and 401 microseconds so, 368 and 508 by way of the pool). It counts as one of the
/// pool's jobs, so that no more batches are scored at once than the pool has threads.
const SHORT: Duration = Duration::from_millis(2);
/// How long such a batch may hold that thread, when it turns out otherwise: models look at their deadline between blocks of rows.
const PATIENCE: Duration = Duration::from_millis(10);

impl Work {
    /// Whether a batch that holds so many bytes is expected to be [`SHORT`].
    fn is_short(&self, bytes: usize) -> bool {
        self.pace.is_some_and(|pace| pace * bytes as f64 <= SHORT.as_nanos() as f64)
    }

    /// The message with the schema of the answers, before the first of them.
    fn opening(&mut self) -> HeldAnswer {
        let mut message = self.encoder.schema(&self.session.empty_schema());
        message.app_metadata = ScoreBatchInfo::default().encode_to_vec().into();
        HeldAnswer { message, _held: None }
    }

    /// Holds the memory of a dictionary while the stream lasts.
    fn keep(&mut self, held: Held) {
        let all = match self.dictionaries.take() {
            Some(mut all) => {
                all.merge(held);
                all
            }
            None => held,
        };
        self.dictionaries.insert(all).shrink(self.decoder.dictionary_bytes());
    }

    /// Scores what was given and holds so many bytes.
    fn score(&mut self, given: Given, bytes: usize, context: &Context) -> Result<Scored> {
        let begun = Instant::now();
        let batch = match given {
            Given::Batch(batch) => batch,
            Given::Message(message) => {
                let Some(batch) = self.decoder.message(message, context)? else { return Ok(Scored::Dictionary) };
                match self.decoder.growth(&batch, bytes) {
                    0 => batch,
                    growth => return Ok(Scored::Grown(batch, growth)),
                }
            }
        };
        let start = Instant::now();
        let answer = self.session.score(&batch, context)?;
        let answer = self.session.settle(answer)?;
        let info = ScoreBatchInfo {
            first_row: self.rows,
            rows: batch.num_rows() as u64,
            score_nanos: u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
        };
        self.rows += info.rows;
        let Ok([mut message]) = <[FlightData; 1]>::try_from(self.encoder.batch(&answer)?) else {
            return Err(Error::new(
                Kind::Unimplemented,
                "DICTIONARY_RESULT",
                "a prediction column may not be dictionary encoded",
            ));
        };
        message.app_metadata = info.encode_to_vec().into();
        if info.rows > 0 {
            self.pace = Some(begun.elapsed().as_nanos() as f64 / bytes.max(1) as f64);
        }
        Ok(Scored::Answer(message))
    }
}

/// Runs `work` on a pool. A panic in it is an error here.
async fn on<T: Send + 'static>(pool: &Pool, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<Result<T>> {
    let (done, result) = oneshot::channel();
    pool.run(move || {
        let _ = done.send(caught(work));
    })?;
    result.await.map_err(|_| panicked())
}

fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked()))
}
