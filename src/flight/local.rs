//! The service a process starts for itself, and starts again when it is lost.

use std::{
    collections::HashMap,
    fmt,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::client::Endpoint;
use crate::{
    config::Secret,
    error::{Error, Kind, Result},
    ops::READY,
};

/// For glibc's allocator: the memory of a batch is kept for the next. By default it goes back to the system each time, and the
/// page faults of fetching it again cost a sixth of the CPU time of a scoring stream.
const HEAP: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "134217728")];

/// How long the service may take to come up.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How to start a local service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LocalOptions {
    /// Threads that score native models, and Python workers; `None`: as many as there are cores.
    pub threads: Option<usize>,
    /// Environment variables of the service, `OMP_NUM_THREADS` for one.
    pub env: Vec<(String, String)>,
    /// Largest message, where it is not the default.
    pub max_message_bytes: Option<usize>,
}

/// A service of this process: it ends when the process does, however that ends.
pub struct LocalService {
    binary: PathBuf,
    options: LocalOptions,
    token: Secret,
    state: Mutex<ProcessState>,
}

#[derive(Default)]
struct ProcessState {
    /// Counts starts, so that of many streams that lost the service only one starts it again.
    life: u64,
    running: Option<Running>,
}

struct Running {
    child: Child,
    // The service exits when this end of the pipe is closed.
    _lifeline: ChildStdin,
    directory: TempDir,
}

impl LocalService {
    /// The service of this process for a binary and options; starts it on first use.
    pub fn shared(binary: &Path, options: LocalOptions) -> Result<Arc<Self>> {
        // A forked child is another process, with a service of its own.
        let key = (binary.to_owned(), options, std::process::id());
        let service = {
            let mut services = services();
            match services.get(&key) {
                Some(service) => service.clone(),
                None => {
                    let service = Arc::new(Self::new(binary, key.1.clone())?);
                    services.insert(key, service.clone());
                    service
                }
            }
        };
        drop(service.ensure()?);
        Ok(service)
    }

    /// Ends the shared services of this process. Streams that are open fail; the next use of a service starts it again.
    pub fn end_all() {
        let mine = std::process::id();
        let ended: Vec<_> = services().extract_if(|(_, _, process), _| *process == mine).collect();
        for (_, service) in ended {
            drop(service.lock().running.take());
        }
    }

    fn new(binary: &Path, options: LocalOptions) -> Result<Self> {
        Ok(Self { binary: binary.to_owned(), options, token: random_token()?, state: Mutex::default() })
    }

    /// How to reach it.
    pub fn endpoint(self: &Arc<Self>) -> Result<Endpoint> {
        let state = self.ensure()?;
        self.endpoint_of(&state)
    }

    /// Its process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.lock().running.as_ref().map(|running| running.child.id())
    }

    fn lock(&self) -> MutexGuard<'_, ProcessState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ensure(&self) -> Result<MutexGuard<'_, ProcessState>> {
        let mut state = self.lock();
        let ended = match &mut state.running {
            Some(running) => running.child.try_wait().map_or(true, |status| status.is_some()),
            None => true,
        };
        if ended {
            self.start(&mut state)?;
        }
        Ok(state)
    }

    /// Where to go on after the connection to life `lost` broke.
    pub(super) fn revive(self: &Arc<Self>, lost: u64) -> Result<Endpoint> {
        let mut state = self.lock();
        if state.life == lost {
            // The socket closes a moment before the process can be waited for. One that still runs is asked again, not replaced:
            // other streams use it.
            let runs = match &mut state.running {
                Some(running) => ended_within(&mut running.child, Duration::from_secs(1)).is_none(),
                None => false,
            };
            if !runs {
                self.start(&mut state)?;
            }
        }
        self.endpoint_of(&state)
    }

    fn endpoint_of(self: &Arc<Self>, state: &ProcessState) -> Result<Endpoint> {
        let Some(running) = &state.running else {
            return Err(Error::new(Kind::Unavailable, "LOCAL_SERVICE", "the local service is not running"));
        };
        let endpoint = Endpoint::parse(&format!("unix:{}", socket(running.directory.path()).display()))?
            .token(self.token.expose())
            .with_local(self.clone(), state.life);
        Ok(match self.options.max_message_bytes {
            Some(bytes) => endpoint.max_message_bytes(bytes),
            None => endpoint,
        })
    }

    fn start(&self, state: &mut ProcessState) -> Result<()> {
        if let Some(mut running) = state.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        let directory = private_directory()?;
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--local", "--flight"]).arg(format!("unix:{}", socket(directory.path()).display()));
        if let Some(threads) = self.options.threads {
            command.arg("--threads").arg(threads.to_string());
        }
        if let Some(bytes) = self.options.max_message_bytes {
            command.arg("--max-message-bytes").arg(bytes.to_string());
        }
        command.envs(HEAP).envs(self.options.env.iter().cloned()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let failed = |message: String| {
            Error::new(Kind::Unavailable, "LOCAL_SERVICE", format!("the local service {} {message}", self.binary.display()))
        };
        let mut child = command.spawn().map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => Kind::FailedPrecondition,
                _ => Kind::Unavailable,
            };
            Error::new(kind, "LOCAL_SERVICE", format!("cannot start the local service {}: {error}", self.binary.display()))
                .source(error)
        })?;
        let ready = (|| {
            let mut lifeline = child.stdin.take()?;
            // The token goes through the pipe: arguments and environment can be read by others.
            writeln!(lifeline, "{}", self.token.expose()).ok()?;
            let stdout = child.stdout.take()?;
            Some((lifeline, first_line(stdout)))
        })();
        let outcome = match ready {
            Some((lifeline, Some(line))) => check_ready(&line).map(|()| lifeline),
            _ => match ended_within(&mut child, Duration::from_secs(1)) {
                Some(status) => Err(failed(format!("ended as it started ({status}); its output above says why"))),
                None => Err(failed(format!("was not ready within {START_TIMEOUT:?}"))),
            },
        };
        match outcome {
            Ok(lifeline) => {
                state.running = Some(Running { child, _lifeline: lifeline, directory });
                state.life += 1;
                Ok(())
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }
}

type Services = HashMap<(PathBuf, LocalOptions, u32), Arc<LocalService>>;

/// The shared services.
fn services() -> MutexGuard<'static, Services> {
    static SERVICES: LazyLock<Mutex<Services>> = LazyLock::new(Mutex::default);
    SERVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for LocalService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalService").field("binary", &self.binary).finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended, if it does so in time.
fn ended_within(child: &mut Child, patience: Duration) -> Option<std::process::ExitStatus> {
    let until = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("s")
}

/// A directory of ours alone, with a path short enough for a socket's 107 bytes.
fn private_directory() -> Result<TempDir> {
    let mode = std::fs::Permissions::from_mode(0o700);
    let make = |parent: &Path| tempfile::Builder::new().prefix("mlflight-").permissions(mode).tempdir_in(parent);
    let usual = std::env::temp_dir();
    let parent = if usual.as_os_str().len() > 80 { Path::new("/tmp") } else { &usual };
    make(parent).map_err(|error| Error::io(parent, error).context("no directory for the local service's socket"))
}

/// The first line a service prints, or `None` when it ends or stays silent.
fn first_line(stdout: std::process::ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    let read = move || {
        let mut reader = BufReader::new(stdout);
        let mut line = String::new();
        if reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            let _ = sender.send(line);
        }
        // Whatever else it prints must not block it.
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    };
    std::thread::Builder::new().name("mlflight-local".into()).spawn(read).ok()?;
    receiver.recv_timeout(START_TIMEOUT).ok()
}

/// Checks the line `ready <address> mlflight <version>`.
fn check_ready(line: &str) -> Result<()> {
    let ours = env!("CARGO_PKG_VERSION");
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        [READY, _, "mlflight", version] if *version == ours => Ok(()),
        [READY, _, "mlflight", version] => Err(Error::new(
            Kind::FailedPrecondition,
            "VERSION_MISMATCH",
            format!("the local service is mlflight {version} and its client is mlflight {ours}"),
        )
        .remedy("install one version of mlflight for both")),
        _ => {
            Err(Error::new(Kind::FailedPrecondition, "LOCAL_SERVICE", "the local service is no mlflight service")
                .found(line.trim()))
        }
    }
}

fn random_token() -> Result<Secret> {
    use std::io::Read;
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 32];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).map_err(|error| Error::io(path, error))?;
    Ok(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused_naming_both() {
        let error = check_ready("ready unix:/tmp/s mlflight 99.0.0\n").unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::FailedPrecondition, "VERSION_MISMATCH"));
        assert!(error.message().contains("99.0.0") && error.message().contains(env!("CARGO_PKG_VERSION")), "{error}");
        assert!(check_ready("hello\n").is_err());
        check_ready(&format!("ready unix:/tmp/s mlflight {}\n", env!("CARGO_PKG_VERSION"))).unwrap();
    }

    #[test]
    fn a_binary_that_is_not_there_is_named() {
        let service = LocalService::new(Path::new("/nowhere/mlflight"), LocalOptions::default()).unwrap();
        let error = service.ensure().map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::FailedPrecondition);
        assert!(error.message().contains("/nowhere/mlflight"), "{error}");
    }

    #[test]
    fn a_program_that_ends_at_once_is_said_to() {
        let service = LocalService::new(Path::new("/bin/false"), LocalOptions::default()).unwrap();
        let error = service.ensure().map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.message().contains("ended as it started"), "{error}");
    }
}
