//! The service as a process: `mlflight serve`, and the one a process starts for itself.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use mlflight::{
    error::Kind,
    flight::{
        client::{Endpoint, ScoreStream},
        local::{LocalOptions, LocalService},
    },
    request::{Request, proto::ScoreSpec},
    score::CancelFlag,
};

use crate::support;

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_mlflight"))
}

fn model_spec(uri: &str) -> ScoreSpec {
    let mut request = Request { uri: uri.into(), ..Default::default() };
    request.load.python.executable = Some(support::python());
    request.to_spec().unwrap()
}

fn input() -> (String, RecordBatch) {
    let model = support::model("linreg20");
    (model.uri(), support::read_parquet(&model.input()).remove(0))
}

fn open(service: &std::sync::Arc<LocalService>, uri: &str, batch: &RecordBatch) -> ScoreStream {
    ScoreStream::open(&service.endpoint().unwrap(), &model_spec(uri), batch.schema(), CancelFlag::default()).unwrap()
}

fn kill(process: u32) {
    assert!(Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success());
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < patience, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn runs(process: u32) -> bool {
    // A zombie has no command line.
    std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[test]
fn a_lost_local_service_comes_back_and_answers_the_same() {
    let (uri, batch) = input();
    // Options of its own: no other test shares the service that is killed here.
    let options = LocalOptions { threads: Some(2), env: vec![("MLFLIGHT_TEST".into(), "killed".into())], ..Default::default() };
    let service = LocalService::shared(&binary(), options.clone()).unwrap();
    let again = LocalService::shared(&binary(), options).unwrap();
    assert_eq!(service.process_id(), again.process_id(), "one service for the process");
    let mut stream = open(&service, &uri, &batch);
    let before = stream.score(&batch).unwrap();
    assert_eq!(before.num_rows(), batch.num_rows());
    let first = service.process_id().unwrap();
    kill(first);
    let after = stream.score(&batch).unwrap();
    assert_eq!(after, before);
    assert_ne!(service.process_id().unwrap(), first, "the kill was noticed");
    // And once more, in the middle of the stream on the new one.
    kill(service.process_id().unwrap());
    assert_eq!(stream.score(&batch.slice(3, 5)).unwrap(), before.slice(3, 5));
}

struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(arguments: &[&str]) -> Self {
        let mut child =
            Command::new(binary()).arg("serve").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((words[0], words[2], words[3]), ("ready", "mlflight", env!("CARGO_PKG_VERSION")), "{line}");
        Self { child, address: words[1].into() }
    }

    fn terminate(&self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sigterm_drains_and_exits_with_zero() {
    let (uri, batch) = input();
    let python = support::python();
    let model = format!("lin={uri}");
    let mut served = Served::start(&["--model", &model, "--flight", "127.0.0.1:0", "--python", python.to_str().unwrap()]);
    let endpoint = Endpoint::parse(&served.address).unwrap();
    let spec = Request { uri: "lin".into(), ..Default::default() }.to_spec().unwrap();
    let mut stream = ScoreStream::open(&endpoint, &spec, batch.schema(), CancelFlag::default()).unwrap();
    assert_eq!(stream.score(&batch).unwrap().num_rows(), batch.num_rows());
    served.terminate();
    wait_until("new streams are refused", || {
        ScoreStream::open(&endpoint, &spec, batch.schema(), CancelFlag::default())
            .err()
            .is_some_and(|error| error.kind() == Kind::Unavailable)
    });
    // The stream that was running may still end in its own time.
    assert_eq!(stream.score(&batch).unwrap().num_rows(), batch.num_rows());
    stream.close();
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let (uri, batch) = input();
    let python = support::python();
    let mut served = Served::start(&["--model", &uri, "--flight", "127.0.0.1:0", "--python", python.to_str().unwrap()]);
    // The model's directory is called "model": the name comes from the one above.
    let spec = Request { uri: "linreg20".into(), ..Default::default() }.to_spec().unwrap();
    let endpoint = Endpoint::parse(&served.address).unwrap();
    let _stream = ScoreStream::open(&endpoint, &spec, batch.schema(), CancelFlag::default()).unwrap();
    served.terminate();
    wait_until("new streams are refused", || ScoreStream::open(&endpoint, &spec, batch.schema(), CancelFlag::default()).is_err());
    assert!(served.child.try_wait().unwrap().is_none(), "an open stream holds the first signal up");
    served.terminate();
    assert_eq!(served.child.wait().unwrap().code(), Some(130));
}

/// A process in the middle starts the service as a Spark executor would, and is killed.
#[test]
fn the_local_service_ends_when_its_starter_dies_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let script = "import subprocess, sys, time\n\
                  p = subprocess.Popen([sys.argv[1], 'serve', '--local', '--flight', 'unix:' + sys.argv[2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n\
                  p.stdin.write(b'0123456789abcdef\\n'); p.stdin.flush()\n\
                  p.stdout.readline()\n\
                  print(p.pid, flush=True)\n\
                  time.sleep(600)\n";
    let mut starter =
        Command::new(support::python()).args(["-c", script]).arg(binary()).arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(starter.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let service: u32 = line.trim().parse().unwrap();
    let (uri, batch) = input();
    let endpoint = Endpoint::parse(&format!("unix:{}", socket.display())).unwrap();
    let wrong = ScoreStream::open(&endpoint, &model_spec(&uri), batch.schema(), CancelFlag::default());
    assert_eq!(wrong.err().unwrap().kind(), Kind::Unauthenticated, "the token from the pipe is wanted");
    let endpoint = endpoint.token("0123456789abcdef");
    let mut stream = ScoreStream::open(&endpoint, &model_spec(&uri), batch.schema(), CancelFlag::default()).unwrap();
    assert_eq!(stream.score(&batch).unwrap().num_rows(), batch.num_rows());
    assert!(runs(service));
    starter.kill().unwrap();
    starter.wait().unwrap();
    wait_until("the service has ended", || !runs(service));
    wait_until("its socket is gone", || !Path::new(&socket).exists());
}

#[test]
fn flags_that_give_rights_need_a_token() {
    for flags in [
        vec!["--allow-load", "/models"],
        vec!["--allow-upload", "/tmp/x"],
        vec!["--allow-uploaded-code"],
        vec!["--allow-extra-env"],
    ] {
        let output = Command::new(binary()).arg("serve").args(&flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with("error: ") && text.contains("--token-file"), "{text}");
    }
    let output = Command::new(binary()).args(["serve", "--flight", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let mut refused = Command::new(binary())
        .args(["serve", "--local", "--flight", "127.0.0.1:0"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = refused.stdin.take().unwrap().write_all(b"0123456789abcdef\n");
    let mut text = String::new();
    refused.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(refused.wait().unwrap().code(), Some(2), "{text}");
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let output =
        Command::new(binary()).args(["serve", "--model", "gone=/nowhere/model", "--flight", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("model 'gone'") && text.contains("/nowhere/model"), "{text}");
}
