//! One worker process and the frames exchanged with it.

use std::{
    io::{ErrorKind, IoSlice, Read, Write},
    net::Shutdown,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arrow::{
    array::RecordBatch,
    buffer::{Buffer, MutableBuffer},
    datatypes::Schema,
    ipc::{reader::StreamDecoder, writer::StreamEncoder},
};
use serde_json::{Map, Value};

use super::process::{Output, Process, TICK, describe};
use crate::{
    error::{Error, Kind, Result},
    score::Context,
};

/// The worker program, a file each.
const FILES: [(&str, &str); 15] = [
    ("__init__.py", include_str!("worker/__init__.py")),
    ("answers.py", include_str!("worker/answers.py")),
    ("channel.py", include_str!("worker/channel.py")),
    ("columns.py", include_str!("worker/columns.py")),
    ("failures.py", include_str!("worker/failures.py")),
    ("frames.py", include_str!("worker/frames.py")),
    ("kinds.py", include_str!("worker/kinds.py")),
    ("life.py", include_str!("worker/life.py")),
    ("loaders.py", include_str!("worker/loaders.py")),
    ("main.py", include_str!("worker/main.py")),
    ("missing.py", include_str!("worker/missing.py")),
    ("model.py", include_str!("worker/model.py")),
    ("nested.py", include_str!("worker/nested.py")),
    ("start.py", include_str!("worker/start.py")),
    ("tensors.py", include_str!("worker/tensors.py")),
];

/// Takes the program from the socket, so that no command line and no temporary file need hold it.
const BOOTSTRAP: &str = "import sys;sys.path[:]=[p for p in sys.path if p];import json,socket as s;c=s.socket(fileno=0);\
                         FILES=json.loads(c.recv(int(c.recv(8,s.MSG_WAITALL),16),s.MSG_WAITALL));c.detach();\
                         exec(compile(FILES['start.py'],'<mlflight worker>/start.py','exec'))";

/// Variable that a worker and all it starts carry in their environment, so that none is left over.
const MARK: &str = "MLFLIGHT_WORKER";

const HEADER_LIMIT: usize = 16 << 20;
const WRITE_PIECES: usize = 64;

/// A batch as the pieces of an IPC stream; they share the batch's memory.
pub(super) struct Message(Vec<Buffer>);

impl Message {
    pub(super) fn of(batch: &RecordBatch) -> Result<Self> {
        // Without pandas' notes: the model's columns are columns, whatever was an index once.
        let schema = Schema::new(batch.schema_ref().fields().clone());
        Ok(Self(StreamEncoder::try_new(&schema)?.encode(batch)?))
    }
}

/// Why a worker did not answer.
pub(super) enum Failure {
    /// The model's code, or the worker, said no; the worker can go on.
    Answered(Error),
    /// The context ended the wait; the worker is busy with what nobody wants any more.
    Context(Error),
    /// The worker is gone.
    Gone,
    /// The worker is gone, and had not read all of the request: its model never saw the batch.
    Unread,
    /// The worker sent what is no answer; it is of no more use.
    Broken(Error),
}

impl Failure {
    fn broken(message: String) -> Self {
        Self::Broken(Error::new(Kind::Internal, "WORKER_PROTOCOL", message))
    }
}

/// A running worker.
pub(super) struct Worker {
    process: Process,
    socket: UnixStream,
    /// The worker ends at the end of this pipe, which nobody writes.
    _life: std::io::PipeWriter,
    /// Since when it has had nothing to do.
    pub(super) idle_since: Instant,
    /// Bytes it held after it had loaded the model.
    pub(super) memory: usize,
    /// Whether it has never been given a batch.
    pub(super) fresh: bool,
}

impl Worker {
    /// Starts the interpreter.
    pub(super) fn start(interpreter: &Path, env: &[(String, String)], isolated: bool) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::new(Kind::ResourceExhausted, "PYTHON_START", format!("no Python worker: {error}")).source(error)
        };
        let (socket, theirs) = UnixStream::pair().map_err(failed)?;
        let (life_end, life) = std::io::pipe().map_err(failed)?;
        socket.set_read_timeout(Some(TICK)).map_err(failed)?;
        socket.set_write_timeout(Some(TICK)).map_err(failed)?;
        let mut command = Command::new(interpreter);
        for name in ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"].into_iter().filter(|_| isolated) {
            command.env_remove(name);
        }
        command.args(["-c", BOOTSTRAP]).envs(env.iter().map(|(key, value)| (key, value)));
        command.env(MARK, mark());
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::from(OwnedFd::from(life_end)));
        let process = Process::start(command, "python", Output::Kept)
            .map_err(|error| error.context("no Python worker").remedy("install Python 3 or name the interpreter to use"))?;
        tracing::debug!(pid = process.id(), interpreter = %interpreter.display(), "python worker started");
        Ok(Self { process, socket, _life: life, idle_since: Instant::now(), memory: 0, fresh: true })
    }

    /// Gives it the worker program, and waits until that has found what it needs.
    pub(super) fn boot(&mut self, context: &Context) -> Result<(), Failure> {
        let files = Map::from_iter(FILES.map(|(name, text)| (name.to_owned(), text.into())));
        let program = Value::Object(files).to_string();
        let length = format!("{:08x}", program.len());
        self.write(&[length.as_bytes(), program.as_bytes()], context)?;
        self.receive(context).map(|_| ())
    }

    /// Whether it can be used: alive, and started by this very process.
    pub(super) fn is_usable(&self) -> bool {
        self.process.is_ours() && !self.process.has_ended()
    }

    /// Gives it the program to load.
    pub(super) fn load(&mut self, program: &[u8], context: &Context) -> Result<(), Failure> {
        self.send(program, &Message(Vec::new()), context)?;
        let (answer, _) = self.receive(context)?;
        self.memory = answer["memory"].as_u64().unwrap_or(0) as usize;
        Ok(())
    }

    /// Sends a request.
    pub(super) fn send(&mut self, header: &[u8], message: &Message, context: &Context) -> Result<(), Failure> {
        let body: usize = message.0.iter().map(Buffer::len).sum();
        let mut head = [0; 12];
        head[..4].copy_from_slice(&(header.len() as u32).to_le_bytes());
        head[4..].copy_from_slice(&(body as u64).to_le_bytes());
        let pieces: Vec<&[u8]> = [&head[..], header].into_iter().chain(message.0.iter().map(Buffer::as_slice)).collect();
        self.write(&pieces, context)
    }

    /// Waits for the answer to a request with a batch.
    pub(super) fn answer(&mut self, context: &Context) -> Result<RecordBatch, Failure> {
        let (_, mut body) = self.receive(context)?;
        let mut decoder = StreamDecoder::new();
        while !body.is_empty() {
            match decoder.decode(&mut body) {
                Ok(Some(batch)) => return Ok(batch),
                Ok(None) => {}
                Err(error) => return Err(Failure::Answered(error.into())),
            }
        }
        Err(Failure::Answered(Error::new(Kind::Internal, "WORKER_PROTOCOL", "a Python worker answered without a batch")))
    }

    fn receive(&mut self, context: &Context) -> Result<(Value, Buffer), Failure> {
        let mut head = [0; 12];
        self.read(&mut head, context)?;
        let [a, b, c, d, size @ ..] = head;
        let (header, body) = (u32::from_le_bytes([a, b, c, d]) as usize, u64::from_le_bytes(size) as usize);
        if header > HEADER_LIMIT {
            let message = format!("a Python worker announced a header of {header} bytes, more than {HEADER_LIMIT}");
            return Err(Failure::broken(message));
        }
        context.reserve(body).map_err(Failure::Context)?;
        let mut text = vec![0; header];
        self.read(&mut text, context)?;
        let mut bytes = MutableBuffer::from_len_zeroed(body);
        self.read(bytes.as_slice_mut(), context)?;
        let unread = |error| Failure::broken(format!("a Python worker's header cannot be read: {error}"));
        let answer: Value = serde_json::from_slice(&text).map_err(unread)?;
        match answer.get("error") {
            Some(error) => Err(Failure::Answered(model_error(error))),
            None => Ok((answer, bytes.into())),
        }
    }

    fn read(&mut self, mut into: &mut [u8], context: &Context) -> Result<(), Failure> {
        while !into.is_empty() {
            match self.socket.read(into) {
                Ok(0) => return Err(Failure::Gone),
                Ok(count) => into = &mut into[count..],
                // The kernel says so where the worker ended with some of the request unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(Failure::Unread),
                Err(error) => self.still_waiting(&error, context)?,
            }
        }
        Ok(())
    }

    fn write(&mut self, pieces: &[&[u8]], context: &Context) -> Result<(), Failure> {
        for pieces in pieces.chunks(WRITE_PIECES) {
            let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut rest = &mut slices[..];
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                match self.socket.write_vectored(rest) {
                    Ok(0) => return Err(Failure::Gone),
                    Ok(count) => IoSlice::advance_slices(&mut rest, count),
                    Err(error) => self.still_waiting(&error, context)?,
                }
            }
        }
        Ok(())
    }

    /// Passes when the wait timed out and may go on: the context allows it and the worker lives. (A descendant of a dead worker
    /// may keep the socket open, so its end of file alone would not do.)
    fn still_waiting(&self, error: &std::io::Error, context: &Context) -> Result<(), Failure> {
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) {
            return Err(Failure::Gone);
        }
        context.check().map_err(Failure::Context)?;
        if self.process.has_ended() { Err(Failure::Gone) } else { Ok(()) }
    }

    /// Ends what is left of a lost worker: how it ended, and its last words as an error's traceback.
    pub(super) fn obituary(self, error: impl FnOnce(String) -> Error) -> Error {
        // Its socket is closed before it has quite ended.
        self.process.wait(Duration::from_secs(2));
        let (status, tail) = self.process.end();
        let error = error(describe(status));
        if tail.is_empty() { error } else { error.traceback(tail) }
    }

    /// Lets it end by itself, as when nothing is left to do.
    pub(super) fn retire(self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        self.process.wait(Duration::from_secs(5));
    }
}

/// A text that no other worker on this machine has.
fn mark() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{}-{}-{since:x}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn model_error(answer: &Value) -> Error {
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    if let Some(code) = answer["code"].as_str() {
        let kind = Kind::from_name(&text("kind")).unwrap_or(Kind::ModelFailed);
        return Error::new(kind, code.to_owned(), text("message"));
    }
    let message = match text("message") {
        message if message.is_empty() => text("type"),
        message => format!("{}: {message}", text("type")),
    };
    if let Some(package) = answer["missing"].as_str() {
        return Error::new(Kind::FailedPrecondition, "PYTHON_PACKAGE_MISSING", message)
            .traceback(text("traceback"))
            .remedy(format!("install '{package}' for this Python, or restore the model's environment (env_manager)"));
    }
    Error::new(Kind::ModelFailed, "PYTHON_EXCEPTION", message).traceback(text("traceback"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::FILES;

    #[test]
    fn every_file_of_the_program_is_sent() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/python/worker");
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.filter(|name| name.ends_with(".py")).collect();
        names.sort();
        assert_eq!(FILES.map(|(name, _)| name).to_vec(), names);
    }
}
