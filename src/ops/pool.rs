//! The compute pool: a bounded number of jobs that score, on threads apart from those that do I/O unless they are short.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::error::{Error, Kind, Result};

type Job = Box<dyn FnOnce() + Send>;

/// How long an idle thread stays.
const IDLE: Duration = Duration::from_secs(30);

/// Runs at most `limit` jobs at once, on threads of its own, made when they are needed, and on those of guests. Jobs wait in line;
/// the line is as long as there are callers, since each caller waits for its job.
pub struct Pool {
    shared: Arc<Workers>,
}

struct Workers {
    name: String,
    limit: usize,
    state: Mutex<JobQueue>,
    changed: Condvar,
}

#[derive(Default)]
struct JobQueue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// Jobs that run now, guests' too.
    running: usize,
    closed: bool,
}

/// The right to run one job on one's own thread, counted as one of the pool's until it is dropped.
pub struct Guest<'a> {
    shared: &'a Workers,
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.shared.lock().running -= 1;
        self.shared.changed.notify_one();
    }
}

impl Pool {
    /// A pool of at most `limit` threads (at least one), named `name`.
    pub fn new(name: &str, limit: usize) -> Self {
        let shared = Workers { name: name.into(), limit: limit.max(1), state: Mutex::default(), changed: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Queues a job. A job must not panic: wrap what may. Fails where the system gives the pool not one thread.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<()> {
        let mut state = self.shared.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle < state.jobs.len() && state.threads < self.shared.limit {
            let shared = self.shared.clone();
            let spawned = std::thread::Builder::new().name(self.shared.name.clone()).spawn(move || shared.work());
            match spawned {
                Ok(_) => state.threads += 1,
                // The threads there are will come to it.
                Err(error) if state.threads > 0 => tracing::warn!("no thread for pool '{}': {error}", self.shared.name),
                Err(error) => {
                    state.jobs.pop_back();
                    let message = format!("the system gives no thread to score with: {error}");
                    let error = Error::new(Kind::ResourceExhausted, "THREADS", message).source(error);
                    return Err(
                        error.remedy("raise the limits on processes and memory (ulimit -u, ulimit -v, the container's pids)")
                    );
                }
            }
        }
        self.shared.changed.notify_one();
        Ok(())
    }

    /// A place for a job that the caller runs itself; `None` when there is none beside those of the jobs that run and wait.
    pub fn enter(&self) -> Option<Guest<'_>> {
        let mut state = self.shared.lock();
        let free = state.running + state.jobs.len() < self.shared.limit;
        free.then(|| {
            state.running += 1;
            Guest { shared: &self.shared }
        })
    }

    /// Jobs that no thread has taken yet.
    pub fn queued(&self) -> usize {
        self.shared.lock().jobs.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, JobQueue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.running < self.limit
                && let Some(job) = state.jobs.pop_front()
            {
                state.running += 1;
                drop(state);
                // A thread lost to a panic would shrink the pool for good.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                state = self.lock();
                state.running -= 1;
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (next, waited) = self.changed.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = next;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    #[test]
    fn runs_every_job_on_at_most_the_limit() {
        let pool = Pool::new("test", 2);
        let (sender, receiver) = mpsc::channel();
        let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for job in 0..50 {
            let (sender, running, peak) = (sender.clone(), running.clone(), peak.clone());
            pool.run(move || {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                sender.send(job).unwrap();
            })
            .unwrap();
        }
        let mut done: Vec<i32> = receiver.iter().take(50).collect();
        done.sort_unstable();
        assert_eq!(done, (0..50).collect::<Vec<_>>());
        assert!(peak.load(Ordering::SeqCst) <= 2);
    }

    #[test]
    fn a_guest_takes_the_place_of_a_thread() {
        let pool = Pool::new("test", 1);
        let (sender, receiver) = mpsc::channel();
        let guest = pool.enter().unwrap();
        assert!(pool.enter().is_none());
        pool.run(move || sender.send(std::thread::current().name().map(str::to_owned)).unwrap()).unwrap();
        // The job waits for the guest: whoever waits in line goes before a new one.
        assert_eq!((pool.queued(), receiver.try_recv().is_err()), (1, true));
        drop(guest);
        assert_eq!(receiver.recv().unwrap().as_deref(), Some("test"));
    }

    #[test]
    fn survives_a_panic() {
        let pool = Pool::new("test", 1);
        pool.run(|| panic!("on purpose")).unwrap();
        let (sender, receiver) = mpsc::channel();
        pool.run(move || sender.send(7).unwrap()).unwrap();
        assert_eq!(receiver.recv(), Ok(7));
    }
}
