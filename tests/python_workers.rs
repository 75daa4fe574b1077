//! What happens to worker processes: crashes, limits, and that they never outlive who started them.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mlflight::{
    error::{Error, Kind},
    python::{Environment, PoolOptions, Program},
    score::{CancelFlag, Context, Model, SessionOptions},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    self,
    python::{LONG, Line, PyModel, answer, first_text, request, rows, score, wait_for_end},
};

/// A model whose answer is its process id; what it does first is the test's.
fn model_that(line: &Line, does: &str) -> PyModel {
    let source = format!(
        "
class Model:
    def predict(self, df):
        {does}
        return [str(os.getpid())] * len(df)
def _load_pyfunc(path):
    return Model()
"
    );
    PyModel::new(&line.source(&source))
}

fn local() -> Environment {
    Environment::Local(Some(support::python()))
}

fn failed_with(error: &Error, kind: Kind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:?}");
    for word in words {
        assert!(format!("{error:?}").contains(word), "'{word}' is not in {error:?}");
    }
}

#[test]
fn an_exception_keeps_the_worker_and_brings_its_traceback() {
    let line = Line::new();
    let model = model_that(&line, "if call('?') == 'fail': raise ValueError('this row is odd')");
    let mut session = model.session();
    let script = thread::spawn(move || {
        ["ok", "fail", "ok"].map(|word| {
            let (mut call, _) = line.accept();
            answer(&mut call, word);
            call
        })
    });
    let before = first_text(&score(&mut *session).unwrap(), "0");
    let error = score(&mut *session).unwrap_err();
    let words = ["ValueError: this row is odd", "Traceback (most recent call last)", ".py\", line", "in predict"];
    failed_with(&error, Kind::ModelFailed, &words);
    assert!(!format!("{error:?}").contains("mlflight worker"), "the worker's own frames are shown: {error:?}");
    assert_eq!(first_text(&score(&mut *session).unwrap(), "0"), before);
    drop(script.join().unwrap());
}

/// However long an exception is, and whatever its class does, its end arrives.
#[test]
fn an_exception_of_any_size_arrives() {
    let model = PyModel::new(
        "
class Odd(Exception):
    def __str__(self):
        raise TypeError('no text')
class Model:
    def predict(self, df, params=None):
        if params['do'] == 'long':
            try:
                raise KeyError('first ' + 'y' * 10_000_000)
            except KeyError:
                raise ValueError('x' * 10_000_000 + ' the very end')
        raise {'odd': Odd, 'bytes': lambda: ValueError('\\ud800 half'), 'exit': SystemExit}[params['do']]()
def _load_pyfunc(path):
    return Model()
",
    );
    let model = model.load(&PyModel::options());
    for (what, words) in [
        ("long", ["ValueError", "the very end", "in predict"]),
        ("odd", ["Odd", "cannot be had: TypeError", "in predict"]),
        ("bytes", ["ValueError", "\\ud800 half", "in predict"]),
        ("exit", ["SystemExit", "SystemExit", "in predict"]),
    ] {
        let params = serde_json::Map::from_iter([("do".to_owned(), what.into())]);
        let mut session = model.session(&SessionOptions { params, ..SessionOptions::default() }).unwrap();
        let error = score(&mut *session).unwrap_err();
        failed_with(&error, Kind::ModelFailed, &words);
        assert_eq!(error.code(), "PYTHON_EXCEPTION");
        assert!(format!("{error:?}").len() < 80_000);
    }
}

/// The conversions before and after `predict` are ours, and so are their failures.
#[test]
fn what_fails_outside_of_predict_is_not_the_model_s_exception() {
    let model = PyModel::new(
        "
import numpy as np
class Model:
    def predict(self, df, params=None):
        return {'ragged': [[1, 2], ['a']] , 'uneven': {'a': [1, 2], 'b': [1]}}[params['give']]
def _load_pyfunc(path):
    return Model()
",
    );
    let loaded = model.load(&PyModel::options());
    let params = serde_json::Map::from_iter([("give".to_owned(), "uneven".into())]);
    let error = score(&mut *loaded.session(&SessionOptions { params, ..SessionOptions::default() }).unwrap()).unwrap_err();
    failed_with(&error, Kind::ModelFailed, &["ANSWER_CONVERSION", "the model answered, and its answer (a dict)"]);
    // A column that the signature does not declare so: the worker cannot make the model's input of it.
    let columns = serde_json::json!([{"type": "object", "properties": {}, "name": "a"}]);
    let program = Program { columns: Some(columns), ..model.program() };
    let options = PoolOptions { workers: 1, ..PoolOptions::default() };
    let pool = mlflight::python::Pool::new(local(), &program, Vec::new(), options).unwrap();
    let batch = support::arrow_from(
        "import sys, pyarrow as pa\nt = pa.table({'a': [{'x': 1}]})\n\
         with pa.OSFile(sys.argv[1], 'wb') as f, pa.ipc.new_file(f, t.schema) as w: w.write_table(t)",
    );
    let error = pool.score(&request(), &batch, &Context::default()).unwrap_err();
    failed_with(&error, Kind::Internal, &["INPUT_CONVERSION", "could not be made into the model's input"]);
}

#[test]
fn a_start_that_outlives_a_deadline_serves_the_next_batch() {
    let line = Line::new();
    let source = "
class Model:
    def predict(self, df):
        return [str(os.getpid())] * len(df)
def _load_pyfunc(path):
    call('loading')
    return Model()
";
    let model = PyModel::new(&line.source(source));
    let pool = model.pool(local(), PoolOptions { workers: 1, ..PoolOptions::default() });
    let soon = || Context::default().with_deadline(Instant::now() + Duration::from_millis(100));
    for _ in 0..2 {
        let error = pool.score(&request(), &rows(), &soon()).unwrap_err();
        failed_with(&error, Kind::DeadlineExceeded, &["worker is still starting", "serves the next batch"]);
    }
    let (mut call, _) = line.accept();
    answer(&mut call, "go on");
    pool.warm(&Context::default()).unwrap();
    // It is the one that was starting: another one would wait for an answer until this deadline.
    let context = Context::default().with_deadline(Instant::now() + LONG);
    assert_eq!(pool.score(&request(), &rows(), &context).unwrap().num_rows(), 3);
    drop(pool);
    wait_for_end(call);
}

#[test]
fn a_pool_dropped_while_a_worker_starts_ends_it() {
    let line = Line::new();
    let model = PyModel::new(&line.source("def _load_pyfunc(path): call('loading')"));
    let pool = model.pool(local(), PoolOptions::default());
    let soon = Context::default().with_deadline(Instant::now() + Duration::from_millis(1));
    failed_with(&pool.warm(&soon).unwrap_err(), Kind::DeadlineExceeded, &["still starting"]);
    let (call, _) = line.accept();
    drop(pool);
    wait_for_end(call);
}

/// A child in a session of its own is in no process group that could be killed with the worker.
const DAEMON: &str = "import subprocess; call('here', wait=False)
        kept.append(subprocess.Popen(['sleep', '1000'], pass_fds=[kept[-1].fileno()], start_new_session=True))";

#[test]
fn children_in_sessions_of_their_own_end_with_their_worker() {
    for end in ["pass", "os._exit(3)", "os.kill(os.getpid(), 9)"] {
        let line = Line::new();
        let model = model_that(&line, &format!("{DAEMON}; {end}"));
        let pool = model.pool(local(), PoolOptions { workers: 1, ..PoolOptions::default() });
        assert_eq!(pool.score(&request(), &rows(), &Context::default()).is_ok(), end == "pass", "{end}");
        drop(pool);
        wait_for_end(line.accept().0);
    }
}

#[test]
fn a_worker_that_dies_fails_its_batch_only() {
    let ends = [
        ("print('last words'); os._exit(3)", "exited with code 3"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("os.abort()", "killed by SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV"),
    ];
    for (end, reason) in ends {
        let line = Line::new();
        let model = model_that(&line, &format!("if call('?') == 'die': {end}"));
        let mut session = model.session();
        let script = thread::spawn(move || {
            ["ok", "die", "ok"].map(|word| {
                let (mut call, _) = line.accept();
                answer(&mut call, word);
                call
            })
        });
        let before = first_text(&score(&mut *session).unwrap(), "0");
        let error = score(&mut *session).unwrap_err();
        failed_with(&error, Kind::ModelFailed, &["WORKER_DIED", reason]);
        if end.contains("print") {
            failed_with(&error, Kind::ModelFailed, &["last words"]);
        }
        assert_ne!(first_text(&score(&mut *session).unwrap(), "0"), before);
        drop(script.join().unwrap());
    }
}

#[test]
fn a_worker_that_dies_takes_no_other_batch_with_it() {
    let line = Line::new();
    let model = model_that(&line, "if call('?') == 'die': os._exit(3)");
    let pool = model.pool(local(), PoolOptions { workers: 2, ..PoolOptions::default() });
    thread::scope(|scope| {
        let jobs = [(); 2].map(|()| scope.spawn(|| pool.score(&request(), &rows(), &Context::default())));
        let (mut first, _) = line.accept();
        let (mut second, _) = line.accept();
        answer(&mut first, "die");
        wait_for_end(first);
        answer(&mut second, "ok");
        let (failed, scored): (Vec<_>, Vec<_>) = jobs.map(|job| job.join().unwrap()).into_iter().partition(Result::is_err);
        assert_eq!((failed.len(), scored.len()), (1, 1));
    });
}

#[test]
fn a_worker_killed_while_idle_is_replaced_unseen() {
    let line = Line::new();
    let model = model_that(&line, "call('here', wait=False)");
    let mut session = model.session();
    let id: i32 = first_text(&score(&mut *session).unwrap(), "0").parse().unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
    wait_for_end(line.accept().0);
    assert_ne!(first_text(&score(&mut *session).unwrap(), "0"), id.to_string());
}

#[test]
fn cancel_and_deadline_end_the_worker_and_its_children() {
    let line = Line::new();
    let child = "import subprocess; call('busy', wait=False)
        kept.append(subprocess.Popen(['sleep', '1000'], pass_fds=[kept[0].fileno()])); import threading; threading.Event().wait()";
    let model = model_that(&line, child);
    let pool = model.pool(local(), PoolOptions { workers: 1, ..PoolOptions::default() });
    pool.warm(&Context::default()).unwrap();
    let context = Context::default().with_deadline(Instant::now() + Duration::from_secs(10));
    let error = pool.score(&request(), &rows(), &context).unwrap_err();
    failed_with(&error, Kind::DeadlineExceeded, &[]);
    wait_for_end(line.accept().0);

    let cancel = CancelFlag::default();
    let flag = cancel.clone();
    let script = thread::spawn(move || {
        let (call, _) = line.accept();
        flag.cancel();
        wait_for_end(call);
    });
    failed_with(&pool.score(&request(), &rows(), &Context::new(cancel)).unwrap_err(), Kind::Cancelled, &[]);
    script.join().unwrap();
}

#[test]
fn what_a_model_prints_does_not_disturb_the_protocol() {
    let line = Line::new();
    let noise = "print('x' * 100000); os.write(1, b'raw'); os.system('echo shell'); sys.stdout.flush(); sys.stdin.read()";
    let model = model_that(&line, noise);
    let mut session = model.session();
    let first = first_text(&score(&mut *session).unwrap(), "0");
    assert_eq!(first_text(&score(&mut *session).unwrap(), "0"), first);
}

#[test]
fn no_more_workers_run_than_allowed_and_each_holds_one_batch() {
    let line = Line::new();
    let source = "
import fcntl
class Model:
    def predict(self, df):
        # Whoever scores holds the lock of its process: two batches at once in one worker could not both have it.
        with open(__file__ + str(os.getpid()), 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            call('scoring')
        return [str(os.getpid())] * len(df)
def _load_pyfunc(path):
    return Model()
";
    let model = PyModel::new(&line.source(source));
    let pool = model.pool(local(), PoolOptions { workers: 2, ..PoolOptions::default() });
    let ids: BTreeSet<String> = thread::scope(|scope| {
        let jobs: Vec<_> = (0..6).map(|_| scope.spawn(|| pool.score(&request(), &rows(), &Context::default()))).collect();
        // Two are in predict at once, or the second call would never come.
        let (mut one, mut two) = (line.accept().0, line.accept().0);
        answer(&mut one, "go");
        answer(&mut two, "go");
        for _ in 2..6 {
            answer(&mut line.accept().0, "go");
        }
        jobs.into_iter().map(|job| first_text(&job.join().unwrap().unwrap(), "0")).collect()
    });
    assert_eq!(ids.len(), 2);
}

#[test]
fn two_models_score_at_once() {
    let line = Line::new();
    let models = [model_that(&line, "call('one')"), model_that(&line, "call('two')")];
    thread::scope(|scope| {
        let jobs = models.each_ref().map(|model| scope.spawn(|| score(&mut *model.session())));
        let (mut first, a) = line.accept();
        let (mut second, b) = line.accept();
        assert_eq!(BTreeSet::from([a, b]), BTreeSet::from(["one".to_owned(), "two".to_owned()]));
        answer(&mut first, "go");
        answer(&mut second, "go");
        for job in jobs {
            assert_eq!(job.join().unwrap().unwrap().num_rows(), 3);
        }
    });
}

#[test]
fn an_idle_worker_ends_with_its_children_and_comes_back() {
    let line = Line::new();
    let child = "import subprocess; call('here', wait=False)
        kept.append(subprocess.Popen(['sleep', '1000'], pass_fds=[kept[-1].fileno()]))";
    let model = model_that(&line, child);
    let pool = model.pool(local(), PoolOptions { idle: Duration::from_millis(100), ..PoolOptions::default() });
    let first = pool.score(&request(), &rows(), &Context::default()).unwrap();
    wait_for_end(line.accept().0);
    let second = pool.score(&request(), &rows(), &Context::default()).unwrap();
    assert_ne!(first_text(&first, "0"), first_text(&second, "0"));
}

#[test]
fn a_worker_outlives_the_thread_that_started_it() {
    let line = Line::new();
    let model = model_that(&line, "pass");
    let pool = model.pool(local(), PoolOptions::default());
    let ask = || first_text(&pool.score(&request(), &rows(), &Context::default()).unwrap(), "0");
    let first = thread::scope(|scope| scope.spawn(ask).join().unwrap());
    assert_eq!(ask(), first);
}

#[test]
fn dropping_the_pool_ends_its_workers() {
    let line = Line::new();
    let model = model_that(&line, "call('here', wait=False)");
    let pool = model.pool(local(), PoolOptions::default());
    pool.warm(&Context::default()).unwrap();
    pool.score(&request(), &rows(), &Context::default()).unwrap();
    assert!(pool.memory() > 1 << 20);
    drop(pool);
    wait_for_end(line.accept().0);
}

const CHILD: &str = "MLFLIGHT_TEST_WORKER_PARENT";

/// Scores until it is killed, when the next test starts it; by itself it does nothing.
#[test]
fn helper_that_is_killed() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let mlmodel = mlflight::mlmodel::MlModel::load(directory.as_ref()).unwrap();
    let model = mlflight::flavors::python_function::PythonFunction::load(&mlmodel, directory.as_ref(), &PyModel::options());
    let _ = score(&mut *model.unwrap().session(&SessionOptions::default()).unwrap());
}

#[test]
fn workers_end_with_a_killed_parent_even_in_the_midst_of_predict() {
    // The second never gives the interpreter's lock back, so that no Python thread of the worker can run.
    // The last one has a child in a session of its own.
    let daemon = "import subprocess, threading
        kept.append(subprocess.Popen(['sleep', '1000'], pass_fds=[kept[-1].fileno()], start_new_session=True))
        threading.Event().wait()";
    for busy in ["import threading; threading.Event().wait()", "import ctypes; ctypes.PyDLL(None).sleep(1000)", daemon] {
        let line = Line::new();
        let model = model_that(&line, &format!("call('busy'); {busy}"));
        let mut parent = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "python_workers::helper_that_is_killed"])
            .env(CHILD, model.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (mut call, _) = line.accept();
        answer(&mut call, "go on");
        parent.kill().unwrap();
        parent.wait().unwrap();
        wait_for_end(call);
    }
}

#[test]
fn a_model_that_cannot_be_loaded_fails_again_without_a_worker() {
    let line = Line::new();
    let source = "
def _load_pyfunc(path):
    call('loading', wait=False)
    raise RuntimeError('weights are missing')
";
    let model = PyModel::new(&line.source(source));
    let mut session = model.session();
    let first = score(&mut *session).unwrap_err();
    failed_with(&first, Kind::ModelFailed, &["could not be loaded", "RuntimeError: weights are missing", "in _load_pyfunc"]);
    wait_for_end(line.accept().0);
    let started = Instant::now();
    let second = score(&mut *session).unwrap_err();
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    assert!(started.elapsed() < Duration::from_millis(100), "no worker starts so fast: {:?}", started.elapsed());

    let forgets = model.pool(local(), PoolOptions { failure_memory: Duration::ZERO, ..PoolOptions::default() });
    for _ in 0..2 {
        forgets.warm(&Context::default()).unwrap_err();
        wait_for_end(line.accept().0);
    }
}

#[test]
fn interpreters_that_will_not_do_are_named() {
    let model = PyModel::new("def _load_pyfunc(path): pass");
    let scripts = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| {
        let path = scripts.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let bare = script("bare", &format!("#!/bin/sh\nexec {} -S \"$@\"\n", support::python().display()));
    let broken = script("broken", "#!/bin/sh\necho this is no Python >&2\nexit 7\n");
    let absent = scripts.path().join("absent");
    let warm = |path: &std::path::Path| {
        let pool = model.pool(Environment::Local(Some(path.to_owned())), PoolOptions::default());
        pool.warm(&Context::default().with_deadline(Instant::now() + LONG)).unwrap_err()
    };
    failed_with(&warm(&absent), Kind::FailedPrecondition, &["PYTHON_NOT_FOUND", "absent"]);
    failed_with(&warm(&bare), Kind::FailedPrecondition, &["PYTHON_PACKAGE_MISSING", "pandas", "install"]);
    failed_with(&warm(&broken), Kind::FailedPrecondition, &["PYTHON_START", "this is no Python", "exited with code 7"]);
}

/// The limit is set from outside, as a container would: by the script that stands for the interpreter.
#[test]
fn a_worker_out_of_memory_fails_only_the_batch_it_held() {
    let scripts = tempfile::tempdir().unwrap();
    let limited = scripts.path().join("limited");
    let script = format!("#!/bin/sh\nulimit -v 6000000\nexec {} \"$@\"\n", support::python().display());
    fs::write(&limited, script).unwrap();
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o755)).unwrap();
    // Python's own allocations raise; a library in C++ ends the process.
    let library = "import ctypes; ctypes.CDLL('libstdc++.so.6')._Znwm(ctypes.c_size_t(1 << 40))";
    for (hunger, how, words, survives) in [
        ("[bytearray(1 << 28) for _ in range(100)]", "PYTHON_EXCEPTION", "MemoryError", true),
        (library, "WORKER_DIED", "std::bad_alloc", false),
    ] {
        let source = format!(
            "
import os
class Model:
    def predict(self, df):
        if df['a'][0] > 1:
            {hunger}
        return [str(os.getpid())] * len(df)
def _load_pyfunc(path):
    return Model()
"
        );
        let model = PyModel::new(&source);
        let pool = model.pool(Environment::Local(Some(limited.clone())), PoolOptions { workers: 1, ..PoolOptions::default() });
        let ask = |batch: &arrow::array::RecordBatch| pool.score(&request(), batch, &Context::default());
        let before = first_text(&ask(&rows()).unwrap(), "0");
        let error = ask(&rows().slice(1, 1)).unwrap_err();
        failed_with(&error, Kind::ModelFailed, &[how, words]);
        if !survives {
            assert!(error.to_string().contains("was killed by SIGABRT while it scored a batch"), "{error}");
        }
        let after = first_text(&ask(&rows()).unwrap(), "0");
        assert_eq!(before == after, survives);
    }
}
