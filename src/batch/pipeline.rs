//! Reads, scores and encodes on every core; writes on one thread, in the order of the rows, with a bound on what waits.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use arrow::array::ArrayRef;

use super::{
    budget::Budget,
    encode::Payload,
    learn::Learned,
    progress::Progress,
    sink::Sink,
    source::{Lane, OutputFile, Raw, Rows, Source},
};
use crate::{
    error::{Error, Kind, Result},
    score::{CancelFlag, Context, Scorer, ScorerSession},
};

/// Turns rows and their predictions into what the writer takes.
pub(super) type Encode = dyn Fn(Rows, Option<&ArrayRef>) -> Result<Payload> + Send + Sync;

/// Opens an output file.
pub(super) type OpenSink<'a> = dyn FnMut(&OutputFile) -> Result<Box<dyn Sink>> + 'a;

/// One run.
pub(super) struct Pipeline<'a> {
    pub(super) source: &'a dyn Source,
    /// `None` when the rows are only passed on (a query that predicts itself).
    pub(super) scorer: Option<&'a Scorer>,
    /// What was read and scored before.
    pub(super) learned: Option<&'a Learned>,
    pub(super) encode: &'a Encode,
    pub(super) budget: Budget,
    pub(super) cancel: &'a CancelFlag,
    pub(super) progress: &'a dyn Progress,
}

impl Pipeline<'_> {
    /// Scores every row into `outputs`; the number of rows.
    pub(super) fn run(&self, outputs: &[OutputFile], open: &mut OpenSink<'_>) -> Result<u64> {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new() };
        std::thread::scope(|scope| {
            // However this scope is left, no worker waits any longer.
            let _stop = StopOnDrop(&shared);
            for number in 0..self.budget.workers {
                let shared = &shared;
                std::thread::Builder::new()
                    .name(format!("score-{number}"))
                    .spawn_scoped(scope, move || self.work(shared))
                    .map_err(|error| {
                        Error::new(Kind::ResourceExhausted, "THREADS", "no thread could be started").source(error)
                    })?;
            }
            self.write(&shared, outputs, open)
        })
    }

    fn write(&self, shared: &Shared, outputs: &[OutputFile], open: &mut OpenSink<'_>) -> Result<u64> {
        let mut total = 0;
        for output in outputs {
            let mut sink = open(output)?;
            for part in output.parts.clone() {
                shared.set_head(part);
                let mut sequence = 0;
                while let Some(done) = shared.take(part, sequence, self.cancel)? {
                    sequence += 1;
                    total += done.rows;
                    sink.write(part, done.payload)?;
                    shared.release(part, done.charge);
                    self.progress.advance(done.rows, done.input_bytes);
                }
                sink.end_part(part)?;
            }
            sink.finish()?;
        }
        Ok(total)
    }

    fn work(&self, shared: &Shared) {
        let mut place = None;
        let outcome = catch_unwind(AssertUnwindSafe(|| self.work_all(shared, &mut place)));
        let error = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => Error::new(Kind::Internal, "PANIC", "a scoring thread panicked"),
        };
        shared.fail(place, error);
    }

    fn work_all(&self, shared: &Shared, place: &mut Option<(usize, usize)>) -> Result<()> {
        let mut session: Option<ScorerSession> = match self.scorer {
            Some(scorer) => Some(scorer.open(self.source.model_schema())?),
            None => None,
        };
        let context = Context::new(self.cancel.clone()).with_memory_limit(self.budget.head + self.budget.ahead);
        let mut own: Option<Arc<Slot>> = None;
        while let Some(slot) = self.claim(shared, &mut own) {
            let part = slot.part;
            let mut reading = slot.reading.lock().unwrap_or_else(PoisonError::into_inner);
            if reading.ended {
                continue;
            }
            *place = Some((part, reading.sequence));
            let lane = match reading.lane.take() {
                Some(lane) => Ok(lane),
                None => match self.learned.and_then(|learned| learned.lane(part)) {
                    Some(lane) => Ok(lane),
                    None => self.source.open(part, &self.budget),
                },
            };
            // A lane that failed is not asked again: what it gave next would take the failure's place.
            reading.ended = lane.is_err();
            let mut lane = lane?;
            // Raw piece, decoded columns and encoded output exist side by side for a moment.
            let charge = lane.estimate().saturating_mul(3);
            if !shared.acquire(part, charge, &self.budget) {
                return Ok(());
            }
            let raw = lane.next();
            reading.ended = !matches!(raw, Ok(Some(_)));
            let Some(raw) = raw? else {
                shared.release(part, charge);
                shared.end(part, reading.sequence);
                continue;
            };
            reading.lane = Some(lane);
            let sequence = reading.sequence;
            reading.sequence += 1;
            drop(reading);
            let actual = raw.bytes().saturating_mul(3).max(charge);
            shared.charge_more(part, actual - charge);
            let (input_bytes, done) = self.score((part, sequence), raw, session.as_mut(), &context)?;
            let (rows, payload) = done;
            let charge = payload.bytes().min(actual);
            shared.charge_more(part, payload.bytes() - charge);
            shared.release(part, actual - charge);
            shared.put(part, sequence, Done { rows, input_bytes, charge: payload.bytes(), payload });
            *place = None;
        }
        Ok(())
    }

    /// The part to read from next: the own one until it ends, then one that nobody reads, then the first that is not done.
    fn claim(&self, shared: &Shared, own: &mut Option<Arc<Slot>>) -> Option<Arc<Slot>> {
        let mut state = shared.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(slot) = own.as_ref().filter(|slot| state.open.contains_key(&slot.part)) {
                return Some(slot.clone());
            }
            let next = state.next_part;
            if next < self.source.parts() && next <= state.head + self.budget.workers {
                state.next_part += 1;
                let slot = Arc::new(Slot { part: next, reading: Mutex::default() });
                state.open.insert(next, slot.clone());
                *own = Some(slot.clone());
                return Some(slot);
            }
            if let Some(slot) = state.open.values().next() {
                return Some(slot.clone());
            }
            if next >= self.source.parts() {
                return None;
            }
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn score(
        &self,
        (part, sequence): (usize, usize),
        raw: Raw,
        session: Option<&mut ScorerSession>,
        context: &Context,
    ) -> Result<(u64, (u64, Payload))> {
        let input_bytes = raw.bytes() as u64;
        let rows = self.source.decode(part, raw)?;
        let count = rows.model.num_rows();
        let prediction = match (session, self.learned.and_then(|learned| learned.answer(part, sequence))) {
            (None, _) => None,
            (_, Some(answer)) => Some(answer),
            (Some(session), None) => {
                let scored = session.score(&rows.model, context);
                let scored = scored.map_err(|error| rows.locate(&self.source.file(part), error))?;
                Some(scored.column(0).clone())
            }
        };
        let count = rows.columns.as_ref().map_or(count, |columns| columns.num_rows());
        Ok((input_bytes, (count as u64, (self.encode)(rows, prediction.as_ref())?)))
    }
}

struct Slot {
    part: usize,
    reading: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    lane: Option<Box<dyn Lane>>,
    sequence: usize,
    ended: bool,
}

struct Done {
    rows: u64,
    input_bytes: u64,
    charge: usize,
    payload: Payload,
}

#[derive(Default)]
struct State {
    /// The part being written.
    head: usize,
    next_part: usize,
    /// Parts that still have rows to read.
    open: BTreeMap<usize, Arc<Slot>>,
    done: BTreeMap<(usize, usize), Result<Done>>,
    /// How many pieces an ended part has.
    ended: BTreeMap<usize, usize>,
    /// Bytes in flight of each part.
    used: BTreeMap<usize, usize>,
    failed: Option<Error>,
    stopped: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct StopOnDrop<'a>(&'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_head(&self, part: usize) {
        self.lock().head = part;
        self.changed.notify_all();
    }

    /// Waits for room for `bytes` more of `part`; false when the run stops. The part being written has a share of its own,
    /// and its first piece always has room: it can never wait for pieces that wait for it.
    fn acquire(&self, part: usize, bytes: usize, budget: &Budget) -> bool {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return false;
            }
            let own = state.used.get(&part).copied().unwrap_or(0);
            let room = if part == state.head {
                own == 0 || own + bytes <= budget.head
            } else {
                let ahead: usize = state.used.range(state.head + 1..).map(|(_, used)| *used).sum();
                ahead == 0 || ahead + bytes <= budget.ahead
            };
            if room {
                *state.used.entry(part).or_default() += bytes;
                return true;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn charge_more(&self, part: usize, bytes: usize) {
        *self.lock().used.entry(part).or_default() += bytes;
    }

    fn release(&self, part: usize, bytes: usize) {
        let mut state = self.lock();
        let used = state.used.entry(part).or_default();
        *used = used.saturating_sub(bytes);
        if *used == 0 {
            state.used.remove(&part);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn end(&self, part: usize, pieces: usize) {
        let mut state = self.lock();
        state.open.remove(&part);
        state.ended.insert(part, pieces);
        drop(state);
        self.changed.notify_all();
    }

    fn put(&self, part: usize, sequence: usize, done: Done) {
        self.lock().done.insert((part, sequence), Ok(done));
        self.changed.notify_all();
    }

    /// A failure takes the place of its piece, so that the first bad row of the input is the one reported.
    fn fail(&self, place: Option<(usize, usize)>, error: Error) {
        let mut state = self.lock();
        match place {
            Some(place) => {
                state.open.remove(&place.0);
                state.done.insert(place, Err(error));
            }
            None => state.failed = Some(error),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The next piece of `part`, `None` after its last.
    fn take(&self, part: usize, sequence: usize, cancel: &CancelFlag) -> Result<Option<Done>> {
        let mut state = self.lock();
        loop {
            if cancel.is_cancelled() {
                return Err(Error::new(Kind::Cancelled, "CANCELLED", "the run was cancelled; nothing was written"));
            }
            if let Some(done) = state.done.remove(&(part, sequence)) {
                return done.map(Some);
            }
            if state.ended.get(&part) == Some(&sequence) {
                state.ended.remove(&part);
                return Ok(None);
            }
            if let Some(error) = state.failed.take() {
                return Err(error);
            }
            let wait = self.changed.wait_timeout(state, std::time::Duration::from_millis(200));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
