//! python_function models without MLflow: a loader module of a few lines, so that a worker starts in a moment. And a line to a
//! model: a socket that its code connects to, which tells a test what happens when, and ends when the process does.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use arrow::{
    array::{Float64Array, RecordBatch, StringArray},
    json::ArrayWriter,
};
use mlflight::{
    error::Error,
    flavors::{EnvManager, LoadOptions, PythonRuntime, python_function::PythonFunction},
    mlmodel::MlModel,
    python::{Environment, Pool, PoolOptions, Program, Request},
    score::{Context, Model, Session, SessionOptions},
};

/// Longer than anything here takes: a test that waits so long has failed.
pub const LONG: Duration = Duration::from_secs(240);

/// A model directory whose loader module is `source`.
pub struct PyModel {
    pub directory: tempfile::TempDir,
    pub module: String,
}

impl PyModel {
    /// A model with more lines in its flavor (`data: file`).
    pub fn with_keys(source: &str, keys: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let module = format!("model_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("code")).unwrap();
        fs::write(directory.path().join("code").join(format!("{module}.py")), source).unwrap();
        let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
        let mlmodel = format!("flavors:\n  python_function:\n    loader_module: {module}\n    code: code\n{keys}");
        fs::write(directory.path().join("MLmodel"), mlmodel).unwrap();
        Self { directory, module }
    }

    pub fn new(source: &str) -> Self {
        Self::with_keys(source, "")
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Options that run it in the test interpreter.
    pub fn options() -> LoadOptions {
        let python = PythonRuntime { executable: Some(super::python()), workers: Some(1), ..PythonRuntime::default() };
        LoadOptions { env_manager: EnvManager::Local, python, ..LoadOptions::default() }
    }

    pub fn load(&self, options: &LoadOptions) -> PythonFunction {
        PythonFunction::load(&MlModel::load(self.path()).unwrap(), self.path(), options).unwrap()
    }

    /// A session in the test interpreter with one worker.
    pub fn session(&self) -> Box<dyn Session> {
        self.load(&Self::options()).session(&SessionOptions::default()).unwrap()
    }

    /// What its workers load.
    pub fn program(&self) -> Program {
        Program {
            directory: self.path().to_str().unwrap().into(),
            loader: self.module.clone(),
            data: self.path().to_str().unwrap().into(),
            code: Some(self.path().join("code").to_str().unwrap().into()),
            ..Program::default()
        }
    }

    /// A pool of its workers, for what the flavor does not set.
    pub fn pool(&self, environment: Environment, options: PoolOptions) -> Pool {
        Pool::new(environment, &self.program(), Vec::new(), options).unwrap()
    }
}

/// A request without params and result type.
pub fn request() -> Request {
    Request::new(&SessionOptions::default(), &[]).unwrap()
}

/// Three rows: `a` = 1, 2, 3 and `s` = x, null, z.
pub fn rows() -> RecordBatch {
    let a = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
    let s = Arc::new(StringArray::from(vec![Some("x"), None, Some("z")]));
    RecordBatch::try_from_iter([("a", a as _), ("s", s as _)]).unwrap()
}

/// Scores the three rows.
pub fn score(session: &mut dyn Session) -> Result<RecordBatch, Error> {
    session.score(&rows(), &Context::default())
}

/// A batch as JSON rows.
pub fn json(batch: &RecordBatch) -> String {
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    String::from_utf8(writer.into_inner()).unwrap()
}

/// The text in the first row of a column.
pub fn first_text(batch: &RecordBatch, column: &str) -> String {
    let array = batch.column_by_name(column).unwrap();
    arrow::util::display::array_value_to_string(array, 0).unwrap()
}

/// A socket that models connect to.
pub struct Line {
    listener: UnixListener,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

/// Python: `call(word)` connects, says a word, and waits for an answer; the connection stays open as long as the process.
pub const CALL: &str = "
import os, socket, sys
kept = []
def call(word, wait=True):
    line = socket.socket(socket.AF_UNIX)
    line.connect(LINE)
    kept.append(line)
    line.sendall(word.encode() + b'\\n')
    return line.recv(100).decode() if wait else ''
";

impl Line {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("line");
        Self { listener: UnixListener::bind(&path).unwrap(), path, _directory: directory }
    }

    /// Python source that defines `call` over this line, followed by `source`.
    pub fn source(&self, source: &str) -> String {
        format!("LINE = {:?}\n{CALL}\n{source}", self.path.to_str().unwrap())
    }

    /// Waits for the next call, and gives the word it says.
    pub fn accept(&self) -> (UnixStream, String) {
        // An accept cannot time out by itself: a call that never comes must fail the test, not hang it.
        let listener = self.listener.try_clone().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(listener.accept()));
        let (mut stream, _) = receiver.recv_timeout(LONG).expect("nobody calls").unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut word = Vec::new();
        let mut byte = [0];
        while stream.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            word.push(byte[0]);
        }
        (stream, String::from_utf8(word).unwrap())
    }
}

/// Answers a call.
pub fn answer(stream: &mut UnixStream, word: &str) {
    stream.write_all(word.as_bytes()).unwrap();
}

/// Waits until the process at the other end, and all it has given the line to, are gone.
pub fn wait_for_end(mut stream: UnixStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the process lives on: {error}"),
    }
}
