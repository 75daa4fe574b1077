//! Child processes in a group of their own: ended whole, waited for under a deadline, their last words kept.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::{
    error::{Error, Kind, Result},
    score::Context,
};

/// How often a wait looks at its context.
pub(super) const TICK: Duration = Duration::from_millis(50);

const TAIL_LINES: usize = 40;
const LINE_BYTES: u64 = 16 * 1024;

/// What becomes of a child's standard output.
pub(super) enum Output {
    /// The command says so itself.
    Kept,
    /// It is read like standard error, and both are written to this file.
    Taken(Arc<File>),
}

/// A child and all that it starts. Dropping it kills the whole group.
pub(super) struct Process {
    child: Child,
    pid: Pid,
    /// Process that started it: a fork of that one must leave it alone.
    owner: u32,
    reaped: bool,
    tail: Arc<Mutex<VecDeque<String>>>,
    closed: Receiver<()>,
}

impl Process {
    /// Starts a command. What it writes to standard error, and to standard output when `output` says so, goes to the log line by
    /// line.
    pub(super) fn start(mut command: Command, what: &'static str, output: Output) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |error: std::io::Error| {
            let kind = if error.kind() == std::io::ErrorKind::NotFound { Kind::NotFound } else { Kind::FailedPrecondition };
            Error::new(kind, "PROCESS_START", format!("'{program}' could not be started: {error}"))
        };
        command.process_group(0).stderr(Stdio::piped());
        if let Output::Taken(_) = output {
            command.stdin(Stdio::null()).stdout(Stdio::piped());
        }
        let mut child = command.spawn().map_err(failed)?;
        // The command holds the descriptors given to the child: an end of file must not wait for it.
        drop(command);
        let pid = Pid::from_child(&child);
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (open, closed) = channel();
        let mut streams: Vec<Box<dyn Read + Send>> = Vec::new();
        streams.extend(child.stderr.take().map(|stream| Box::new(stream) as _));
        let file = match output {
            Output::Kept => None,
            Output::Taken(file) => Some(file),
        };
        if file.is_some() {
            streams.extend(child.stdout.take().map(|stream| Box::new(stream) as _));
        }
        let process = Self { child, pid, owner: std::process::id(), reaped: false, tail, closed };
        for stream in streams {
            let (tail, open, file) = (process.tail.clone(), open.clone(), file.clone());
            let id = process.id();
            thread::Builder::new()
                .name("mlflight-log".into())
                .spawn(move || {
                    follow(stream, what, id, &tail, file.as_deref());
                    drop(open);
                })
                .map_err(failed)?;
        }
        Ok(process)
    }

    /// The process id.
    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether this process started it, not a fork of the one that did.
    pub(super) fn is_ours(&self) -> bool {
        self.owner == std::process::id()
    }

    /// Whether it has ended; it is not reaped, so that its group id stays taken.
    pub(super) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.pid), options), Ok(None))
    }

    /// Waits until it ends, at most `limit`; `false` when it has not.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut pause = Duration::from_micros(200);
        while !self.has_ended() {
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(TICK);
        }
        true
    }

    /// Waits until it ends, as long as the context allows.
    pub(super) fn wait_within(&self, context: &Context) -> Result<()> {
        while !self.wait(TICK) {
            context.check()?;
        }
        Ok(())
    }

    /// Kills the group and says how the process ended and what it wrote last.
    pub(super) fn end(mut self) -> (ExitStatus, String) {
        let status = self.kill();
        // Whoever held the pipe is dead now, but for what left the group.
        if self.closed.recv_timeout(Duration::from_secs(2)) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!(pid = self.id(), "a descendant keeps the log open");
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        (status, tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n"))
    }

    /// Kills the group, then reaps its leader: in this order, because the group's id is free for others afterwards.
    fn kill(&mut self) -> ExitStatus {
        if !self.reaped && self.is_ours() {
            let _ = kill_process_group(self.pid, Signal::KILL);
            self.reaped = true;
        }
        self.child.wait().unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped && self.is_ours() {
            self.kill();
        }
    }
}

fn follow(stream: impl Read, what: &'static str, pid: u32, tail: &Mutex<VecDeque<String>>, mut file: Option<&File>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if let Some(open) = &mut file
            && let Err(error) = open.write_all(&line)
        {
            tracing::warn!("the output of '{what}' is no longer written to its file: {error}");
            file = None;
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        tracing::info!(target: "mlflight::python", pid, "{what}: {text}");
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }
}

/// An exit status in words: `exited with code 3`, `was killed by SIGKILL`.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(9)) => "was killed by SIGKILL (from outside, or for want of memory)".into(),
        (None, Some(signal)) => {
            let name = match signal {
                1 => "SIGHUP",
                2 => "SIGINT",
                4 => "SIGILL",
                6 => "SIGABRT",
                8 => "SIGFPE",
                11 => "SIGSEGV",
                13 => "SIGPIPE",
                15 => "SIGTERM",
                libc::SIGBUS => "SIGBUS",
                libc::SIGXCPU => "SIGXCPU",
                _ => return format!("was killed by signal {signal}"),
            };
            format!("was killed by {name}")
        }
        (None, None) => "ended".into(),
    }
}
