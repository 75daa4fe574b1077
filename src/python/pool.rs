//! The workers of one model: started on demand, lent one batch at a time, ended when idle.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;

use super::{
    Environment, Program, Request,
    process::TICK,
    worker::{Failure, Message, Worker},
};
use crate::{
    error::{Error, Kind, Result},
    mlmodel::json,
    score::{CancelFlag, Context},
};

/// Bounds of a [`Pool`].
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// How many workers may run at once.
    pub workers: usize,
    /// How long a worker may have nothing to do before it is ended.
    pub idle: Duration,
    /// How long a failure to load is remembered: until then, loading fails again at once with the same error.
    pub failure_memory: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            workers: thread::available_parallelism().map_or(1, usize::from),
            idle: Duration::from_secs(60),
            failure_memory: Duration::from_secs(30),
        }
    }
}

impl PoolOptions {
    /// The defaults, with `MLFLIGHT_PYTHON_WORKERS` and `MLFLIGHT_PYTHON_IDLE_SECONDS` where they are set.
    pub fn from_env() -> Result<Self> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let number = |name: &str| match get(name) {
            None => Ok(None),
            Some(text) => match text.parse::<u32>() {
                Ok(number) if number > 0 => Ok(Some(number)),
                _ => {
                    let message = format!("{name} is '{text}'");
                    Err(Error::new(Kind::InvalidArgument, "SETTING_INVALID", message).remedy("give a whole number from 1 on"))
                }
            },
        };
        let mut options = Self::default();
        if let Some(workers) = number("MLFLIGHT_PYTHON_WORKERS")? {
            options.workers = workers as usize;
        }
        if let Some(seconds) = number("MLFLIGHT_PYTHON_IDLE_SECONDS")? {
            options.idle = Duration::from_secs(seconds.into());
        }
        Ok(options)
    }
}

/// The worker processes of one model. They end when the pool is dropped, and with this process whatever ends it.
pub struct Pool(Arc<Shared>);

struct Shared {
    environment: Environment,
    program: Vec<u8>,
    env: Vec<(String, String)>,
    options: PoolOptions,
    state: Mutex<State>,
    freed: Condvar,
    /// Set when the pool is dropped: a start still under way ends.
    closed: CancelFlag,
}

/// A start that failed.
struct Failed {
    at: Instant,
    /// Its number.
    start: u64,
    error: Error,
}

#[derive(Default)]
struct State {
    idle: Vec<Worker>,
    /// Lent, idle and starting ones.
    live: usize,
    starting: usize,
    /// How many starts there have been.
    starts: u64,
    /// Since when the last one has been under way.
    since: Option<Instant>,
    /// How long the last start took.
    start: Duration,
    /// How long batches have waited for a worker since then.
    waited: Duration,
    failed: Option<Failed>,
    /// Dropping it ends the thread that ends idle workers.
    reaper: Option<Sender<()>>,
    /// Process that the workers belong to: after a fork the child starts its own.
    owner: u32,
    memory: usize,
}

impl State {
    /// Importing a model's packages takes seconds of CPU and hundreds of megabytes: the first worker is waited for, and another one
    /// is started once batches have waited together for a good part of what that will take.
    fn is_worth_a_start(&self) -> bool {
        self.live == 0 || self.starting == 0 && self.waited >= self.start / 4
    }

    /// Adds to a deadline's error that a start is under way, where no worker could take the batch for that reason.
    fn say_starting(&self, error: Error) -> Error {
        match self.since {
            Some(since) if self.live == self.starting => {
                let message = format!(
                    "the model's Python worker is still starting, for {:.1} s now; the start goes on and serves the next batch",
                    since.elapsed().as_secs_f64()
                );
                error
                    .detail(message)
                    .remedy("send the batch again, raise the batch timeout, or have the worker started beforehand (serve does)")
            }
            _ => error,
        }
    }
}

impl Pool {
    /// A pool without workers: the first batch starts one. `env` is set in the workers' environment.
    pub fn new(
        environment: Environment,
        program: &Program,
        mut env: Vec<(String, String)>,
        options: PoolOptions,
    ) -> Result<Self> {
        let program = serde_json::to_value(program).map_err(|error| Error::new(Kind::Internal, "JSON", error.to_string()))?;
        let program = json::dump(&program).into_bytes();
        let threads = "OMP_NUM_THREADS";
        if !env.iter().any(|(key, _)| key == threads) && std::env::var_os(threads).is_none() {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            env.push((threads.into(), (cores / options.workers.max(1)).max(1).to_string()));
        }
        let state = Mutex::new(State { owner: std::process::id(), ..State::default() });
        let closed = CancelFlag::default();
        Ok(Self(Arc::new(Shared { environment, program, env, options, state, freed: Condvar::new(), closed })))
    }

    /// Starts a worker, unless one runs, so that errors show and the first batch need not wait.
    pub fn warm(&self, context: &Context) -> Result<()> {
        let worker = self.acquire(context)?;
        self.0.release(worker);
        Ok(())
    }

    /// Bytes that the running workers held after they had loaded the model.
    pub fn memory(&self) -> usize {
        self.0.lock().memory
    }

    /// Scores one batch in a worker; waits for a free one as long as the context allows.
    pub fn score(&self, request: &Request, batch: &RecordBatch, context: &Context) -> Result<RecordBatch> {
        let message = Message::of(batch)?;
        loop {
            let mut worker = self.acquire(context)?;
            let fresh = std::mem::take(&mut worker.fresh);
            match worker.send(&request.0, &message, context) {
                Ok(()) => {}
                // It died while it was idle: the batch was never in it.
                Err(Failure::Gone) if !fresh => {
                    self.0.lost(worker.memory);
                    continue;
                }
                Err(failure) => return Err(self.fail(worker, failure)),
            }
            return match worker.answer(context) {
                Ok(answer) => {
                    self.0.release(worker);
                    Ok(answer)
                }
                Err(Failure::Unread) if !fresh => {
                    self.0.lost(worker.memory);
                    continue;
                }
                Err(failure) => Err(self.fail(worker, failure)),
            };
        }
    }

    fn fail(&self, worker: Worker, failure: Failure) -> Error {
        match failure {
            Failure::Answered(error) => {
                self.0.release(worker);
                error
            }
            Failure::Context(error) | Failure::Broken(error) => {
                let memory = worker.memory;
                drop(worker);
                self.0.lost(memory);
                error
            }
            Failure::Gone | Failure::Unread => {
                let memory = worker.memory;
                let error = worker.obituary(|how| died(&how, "scored a batch"));
                self.0.lost(memory);
                error
            }
        }
    }

    /// An idle worker, or a new one. A start that takes longer than the context allows goes on, for the batches that come later.
    fn acquire(&self, context: &Context) -> Result<Worker> {
        let mut state = self.0.lock();
        let mut own = None;
        loop {
            context.check().map_err(|error| state.say_starting(error))?;
            while let Some(worker) = state.idle.pop() {
                if worker.is_usable() {
                    return Ok(worker);
                }
                state.live = state.live.saturating_sub(1);
                state.memory = state.memory.saturating_sub(worker.memory);
            }
            // Who asked for a start learns how it ended, however short failures are remembered.
            if let Some(failed) = &state.failed
                && (failed.at.elapsed() < self.0.options.failure_memory || own.is_some_and(|own| own <= failed.start))
            {
                return Err(failed.error.replica());
            }
            if state.live < self.0.options.workers.max(1) && state.is_worth_a_start() {
                own = Some(self.begin(&mut state)?);
            }
            let since = Instant::now();
            state = self.0.freed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
            if state.starting == 0 {
                state.waited += since.elapsed();
            }
        }
    }

    /// Starts a worker on a thread of its own, and gives the number of the start.
    fn begin(&self, state: &mut State) -> Result<u64> {
        let number = state.starts + 1;
        let shared = self.0.clone();
        let failed = |error: std::io::Error| {
            Error::new(Kind::ResourceExhausted, "PYTHON_START", format!("no thread to start a Python worker: {error}"))
        };
        let thread = thread::Builder::new().name("mlflight-start".into());
        thread.spawn(move || shared.finish(number, shared.start())).map_err(failed)?;
        state.starts = number;
        state.live += 1;
        state.starting += 1;
        state.since = Some(Instant::now());
        state.waited = Duration::ZERO;
        if state.reaper.is_none() {
            let (sender, receiver) = channel();
            let (shared, idle) = (Arc::downgrade(&self.0), self.0.options.idle);
            let spawned = thread::Builder::new().name("mlflight-python".into()).spawn(move || reap(&shared, &receiver, idle));
            state.reaper = spawned.is_ok().then_some(sender);
        }
        Ok(number)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.closed.cancel();
        // In a fork another thread's lock stays taken for ever; where a start holds it, that start drops what it shares.
        let Ok(mut state) = self.0.state.try_lock() else { return };
        let idle = std::mem::take(&mut state.idle);
        state.reaper = None;
        drop(state);
        drop(idle);
    }
}

fn died(how: &str, doing: &str) -> Error {
    Error::new(Kind::ModelFailed, "WORKER_DIED", format!("the Python worker {how} while it {doing}"))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if state.owner != process {
            *state = State { owner: process, ..State::default() };
        }
        state
    }

    /// Takes what came of a start.
    fn finish(&self, number: u64, started: Result<Worker>) {
        let mut state = self.lock();
        state.starting = state.starting.saturating_sub(1);
        state.since = None;
        match started {
            Ok(_) if self.closed.is_cancelled() => {}
            Ok(mut worker) => {
                state.memory += worker.memory;
                worker.idle_since = Instant::now();
                state.idle.push(worker);
                state.failed = None;
            }
            Err(error) => {
                state.live = state.live.saturating_sub(1);
                state.failed = Some(Failed { at: Instant::now(), start: number, error });
            }
        }
        drop(state);
        self.freed.notify_all();
    }

    /// Starts a worker; no batch's deadline ends that.
    fn start(&self) -> Result<Worker> {
        let context = Context::new(self.closed.clone());
        let interpreter = self.environment.interpreter(&context)?;
        let begun = Instant::now();
        let mut worker = Worker::start(&interpreter, &self.env, self.environment.is_isolated())?;
        match worker.boot(&context) {
            Ok(()) => {}
            Err(Failure::Answered(error) | Failure::Context(error) | Failure::Broken(error)) => return Err(error),
            Err(Failure::Gone | Failure::Unread) => {
                return Err(worker.obituary(|how| {
                    let message = format!("'{}' {how} before it ran a Python worker", interpreter.display());
                    Error::new(Kind::FailedPrecondition, "PYTHON_START", message).remedy("name a working Python interpreter")
                }));
            }
        }
        match worker.load(&self.program, &context) {
            Ok(()) => {
                self.lock().start = begun.elapsed();
                Ok(worker)
            }
            Err(Failure::Answered(error)) => Err(error.context("the model could not be loaded")),
            Err(Failure::Context(error) | Failure::Broken(error)) => Err(error),
            Err(Failure::Gone | Failure::Unread) => Err(worker.obituary(|how| died(&how, "loaded the model"))),
        }
    }

    fn release(&self, mut worker: Worker) {
        worker.idle_since = Instant::now();
        self.lock().idle.push(worker);
        self.freed.notify_one();
    }

    fn lost(&self, memory: usize) {
        let mut state = self.lock();
        state.live = state.live.saturating_sub(1);
        state.memory = state.memory.saturating_sub(memory);
        drop(state);
        self.freed.notify_one();
    }
}

fn reap(shared: &Weak<Shared>, stop: &Receiver<()>, idle: Duration) {
    let tick = (idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(15));
    while stop.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
        let Some(shared) = shared.upgrade() else { return };
        let mut state = shared.lock();
        let (old, young): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.idle).into_iter().partition(|w| w.idle_since.elapsed() >= idle);
        state.idle = young;
        for worker in &old {
            state.live = state.live.saturating_sub(1);
            state.memory = state.memory.saturating_sub(worker.memory);
        }
        drop(state);
        for worker in old {
            worker.retire();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_are_read_and_checked() {
        let read = |workers: &'static str| {
            PoolOptions::read(move |name| Some(if name.ends_with("WORKERS") { workers.to_owned() } else { "7".to_owned() }))
        };
        let options = read("3").unwrap();
        assert_eq!((options.workers, options.idle), (3, Duration::from_secs(7)));
        for wrong in ["0", "-1", "many"] {
            assert_eq!(read(wrong).unwrap_err().kind(), Kind::InvalidArgument);
        }
        assert_eq!(PoolOptions::read(|_| None).unwrap().idle, PoolOptions::default().idle);
    }
}
