//! Reads, scores and encodes on every core and writes on one thread, in the order of the rows. The memory of pieces that wait is bounded.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{
    budget::Budget,
    learn::Learned,
    progress::Progress,
    read::{PartReader, Raw, Source},
    write::{Payload, writer::Writer},
};
use crate::{
    error::{Error, Kind, Result},
    score::{CancelFlag, Context, Scorer, ScorerSession},
};

/// One run.
pub(super) struct Pipeline<'a> {
    pub(super) source: &'a dyn Source,
    /// `None` when the rows are only passed on (a query that predicts itself).
    pub(super) scorer: Option<&'a Scorer>,
    /// What was read and scored before.
    pub(super) learned: Option<&'a Learned>,
    pub(super) writer: &'a Writer,
    pub(super) budget: Budget,
    pub(super) cancel: &'a CancelFlag,
    pub(super) progress: &'a dyn Progress,
}

impl Pipeline<'_> {
    /// Scores every row into the output files; the number of rows.
    pub(super) fn run(&self) -> Result<u64> {
        let queue = WorkQueue { state: Mutex::default(), changed: Condvar::new() };
        std::thread::scope(|scope| {
            // Workers must not wait any longer once this scope is left, also by an error.
            let _stop = StopOnDrop(&queue);
            for number in 0..self.budget.workers {
                let queue = &queue;
                std::thread::Builder::new()
                    .name(format!("score-{number}"))
                    .spawn_scoped(scope, move || self.work(queue))
                    .map_err(|error| {
                        Error::new(Kind::ResourceExhausted, "THREADS", "no thread could be started").source(error)
                    })?;
            }
            self.write(&queue)
        })
    }

    fn write(&self, queue: &WorkQueue) -> Result<u64> {
        let mut total = 0;
        for (at, output) in self.writer.files.iter().enumerate() {
            let mut sink = self.writer.open(at)?;
            for part in output.parts.clone() {
                queue.set_head(part);
                let mut sequence = 0;
                while let Some(done) = queue.take(part, sequence, self.cancel)? {
                    sequence += 1;
                    total += done.rows;
                    sink.write(part, done.payload)?;
                    queue.release(part, done.charge);
                    self.progress.advance(done.rows, done.input_bytes);
                }
                sink.end_part(part)?;
            }
            sink.finish()?;
        }
        Ok(total)
    }

    fn work(&self, queue: &WorkQueue) {
        let mut place = None;
        let outcome = catch_unwind(AssertUnwindSafe(|| self.work_all(queue, &mut place)));
        let error = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => Error::new(Kind::Internal, "PANIC", "a scoring thread panicked"),
        };
        queue.fail(place, error);
    }

    fn work_all(&self, queue: &WorkQueue, place: &mut Option<(usize, usize)>) -> Result<()> {
        let mut session: Option<ScorerSession> = match self.scorer {
            Some(scorer) => Some(scorer.open(self.source.model_schema())?),
            None => None,
        };
        let context = Context::new(self.cancel.clone()).with_memory_limit(self.budget.head + self.budget.ahead);
        let mut own: Option<Arc<OpenPart>> = None;
        while let Some(claimed) = self.claim(queue, &mut own) {
            let part = claimed.part;
            let mut reading = claimed.reading.lock().unwrap_or_else(PoisonError::into_inner);
            if reading.ended {
                continue;
            }
            *place = Some((part, reading.sequence));
            let reader = match reading.reader.take() {
                Some(reader) => Ok(reader),
                None => match self.learned.and_then(|learned| learned.reader(part)) {
                    Some(reader) => Ok(reader),
                    None => self.source.open(part, &self.budget),
                },
            };
            // A reader that failed is not used again: its next piece would take the place of the failure.
            reading.ended = reader.is_err();
            let mut reader = reader?;
            // The raw piece, its decoded columns and its encoded output exist at the same time.
            let charge = reader.estimate().saturating_mul(3);
            if !queue.acquire(part, charge, &self.budget) {
                return Ok(());
            }
            let raw = reader.next();
            reading.ended = !matches!(raw, Ok(Some(_)));
            let Some(raw) = raw? else {
                queue.release(part, charge);
                queue.end(part, reading.sequence);
                continue;
            };
            reading.reader = Some(reader);
            let sequence = reading.sequence;
            reading.sequence += 1;
            drop(reading);
            let actual = raw.bytes().saturating_mul(3).max(charge);
            queue.charge_more(part, actual - charge);
            let (input_bytes, done) = self.score((part, sequence), raw, session.as_mut(), &context)?;
            let (rows, payload) = done;
            let charge = payload.bytes().min(actual);
            queue.charge_more(part, payload.bytes() - charge);
            queue.release(part, actual - charge);
            queue.put(part, sequence, ScoredPiece { rows, input_bytes, charge: payload.bytes(), payload });
            *place = None;
        }
        Ok(())
    }

    /// The part to read from next: the worker's own until it ends, then one that no worker has, then the first that has not ended.
    fn claim(&self, queue: &WorkQueue, own: &mut Option<Arc<OpenPart>>) -> Option<Arc<OpenPart>> {
        let mut state = queue.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(own) = own.as_ref().filter(|own| state.open.contains_key(&own.part)) {
                return Some(own.clone());
            }
            let next = state.next_part;
            if next < self.source.parts() && next <= state.head + self.budget.workers {
                state.next_part += 1;
                let open = Arc::new(OpenPart { part: next, reading: Mutex::default() });
                state.open.insert(next, open.clone());
                *own = Some(open.clone());
                return Some(open);
            }
            if let Some(open) = state.open.values().next() {
                return Some(open.clone());
            }
            if next >= self.source.parts() {
                return None;
            }
            state = queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
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
        Ok((input_bytes, (count as u64, self.writer.encode(rows, prediction.as_ref())?)))
    }
}

/// A part that is being read.
struct OpenPart {
    part: usize,
    reading: Mutex<Reading>,
}

/// How far a part was read.
#[derive(Default)]
struct Reading {
    reader: Option<Box<dyn PartReader>>,
    /// Number of the next piece.
    sequence: usize,
    ended: bool,
}

/// A scored and encoded piece that waits to be written.
struct ScoredPiece {
    rows: u64,
    input_bytes: u64,
    /// Bytes that count against the budget until it is written.
    charge: usize,
    payload: Payload,
}

/// What workers and the writer share.
#[derive(Default)]
struct QueueState {
    /// The part being written.
    head: usize,
    /// The first part that no worker has taken.
    next_part: usize,
    /// Parts that still have rows to read.
    open: BTreeMap<usize, Arc<OpenPart>>,
    done: BTreeMap<(usize, usize), Result<ScoredPiece>>,
    /// How many pieces each part has that was read to its end.
    ended: BTreeMap<usize, usize>,
    /// Bytes in flight of each part.
    used: BTreeMap<usize, usize>,
    failed: Option<Error>,
    stopped: bool,
}

/// Distributes parts to workers and returns their pieces to the writer in order.
struct WorkQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

/// Stops the workers when it is dropped.
struct StopOnDrop<'a>(&'a WorkQueue);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

impl WorkQueue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
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

    fn put(&self, part: usize, sequence: usize, done: ScoredPiece) {
        self.lock().done.insert((part, sequence), Ok(done));
        self.changed.notify_all();
    }

    /// Puts a failure in the place of its piece, so that the first bad row of the input is reported.
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
    fn take(&self, part: usize, sequence: usize, cancel: &CancelFlag) -> Result<Option<ScoredPiece>> {
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
