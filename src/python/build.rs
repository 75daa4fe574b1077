//! Environments made from a model's files: once a host, under a lock, kept by content.

use std::{
    collections::HashMap,
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::{
    environment::{Contents, MAX_BYTES, Manager, Restored, find_python, on_path},
    process::{Output, Process, TICK, describe},
};
use crate::{
    error::{Error, Kind, Result},
    file,
    score::Context,
};

/// Written last into an environment's directory: without it the directory is what an interrupted build left.
const COMPLETE: &str = ".mlflight-complete";

/// Lines of a failed build's output that its error quotes.
const QUOTED_LINES: usize = 20;

/// Bytes of the last line in the message itself.
const LAST_LINE: usize = 200;

/// How long a failed build is remembered.
const FAILURE_MEMORY: Duration = Duration::from_secs(120);

static FAILED: LazyLock<Mutex<HashMap<String, (Instant, Error)>>> = LazyLock::new(Mutex::default);

/// The interpreter of a restored environment.
pub(super) fn interpreter(restored: &Restored, context: &Context) -> Result<PathBuf> {
    let contents = Contents::read(restored)?;
    let key = key(restored, &contents)?;
    let directory = restored.cache.join(&key);
    let python = directory.join("bin/python");
    if directory.join(COMPLETE).is_file() {
        return Ok(python);
    }
    if let Some((at, error)) = failures().get(&key)
        && at.elapsed() < FAILURE_MEMORY
    {
        return Err(error.replica());
    }
    fs::create_dir_all(&restored.cache).map_err(|error| Error::io(&restored.cache, error))?;
    let _lock = lock(&directory.with_extension("lock"), context)?;
    if directory.join(COMPLETE).is_file() {
        return Ok(python);
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(|error| Error::io(&directory, error))?;
    }
    tracing::info!(environment = %directory.display(), python = contents.python, "restoring the model's environment");
    let log = Log::create(directory.with_extension("log"))?;
    match build(restored, &contents, &directory, &log, context) {
        Ok(()) => {
            let _ = fs::remove_file(&log.path);
            let mark = directory.join(COMPLETE);
            fs::write(&mark, "").map_err(|error| Error::io(&mark, error))?;
            Ok(python)
        }
        Err(error) => {
            let _ = fs::remove_dir_all(&directory);
            if !matches!(error.kind(), Kind::Cancelled | Kind::DeadlineExceeded) {
                let mut failures = failures();
                failures.retain(|_, (at, _)| at.elapsed() < FAILURE_MEMORY);
                failures.insert(key, (Instant::now(), error.replica()));
            }
            Err(error)
        }
    }
}

fn failures() -> std::sync::MutexGuard<'static, HashMap<String, (Instant, Error)>> {
    FAILED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that makes two environments differ.
fn key(restored: &Restored, contents: &Contents) -> Result<String> {
    let mut hash = Sha256::new();
    let mut add = |text: &[u8]| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(format!("{:?} {} {}", restored.manager, env::consts::OS, env::consts::ARCH).as_bytes());
    let python = if restored.manager == Manager::Conda { contents.python.clone() } else { contents.minor() };
    add(python.as_bytes());
    let read = |name: &str| {
        let path = restored.directory.join(name);
        file::read(&path, MAX_BYTES)
    };
    if restored.manager == Manager::Conda {
        add(&read(restored.conda.as_deref().unwrap_or("conda.yaml"))?);
    }
    for line in contents.build.iter().chain(&contents.packages) {
        add(line.as_bytes());
        if let Some(file) = included(line) {
            add(&read(file)?);
        }
    }
    if restored.directory.join("constraints.txt").is_file() {
        add(&read("constraints.txt")?);
    }
    Ok(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// The file of a `-r file` line.
fn included(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("--requirement").or_else(|| line.strip_prefix("-r"))?;
    Some(rest.trim_start_matches(['=', ' ']).trim())
}

fn lock(path: &Path, context: &Context) -> Result<File> {
    let file = File::create(path).map_err(|error| Error::io(path, error))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Error::io(path, error)),
        }
        context.check()?;
        thread::sleep(TICK);
    }
}

/// Where the output of a build goes, all of it; kept when the build fails.
struct Log {
    path: PathBuf,
    file: Arc<File>,
}

impl Log {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(|error| Error::io(&path, error))?;
        Ok(Self { path, file: Arc::new(file) })
    }
}

fn build(restored: &Restored, contents: &Contents, directory: &Path, log: &Log, context: &Context) -> Result<()> {
    let run = |program: &Path, arguments: &[String]| run(program, arguments, &restored.directory, log, context);
    let text = |path: &Path| path.display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    if restored.manager == Manager::Conda {
        let conda = conda()?;
        let file = text(&restored.directory.join(restored.conda.as_deref().unwrap_or("conda.yaml")));
        let mut arguments = words(&["env", "create", "--quiet", "--yes", "--file"]);
        arguments.extend([file, "--prefix".into(), text(directory)]);
        run(&conda, &arguments)?;
    }
    let uv = on_path("uv").or_else(|| {
        let beside = env::var_os("VIRTUAL_ENV").map(|root| Path::new(&root).join("bin/uv"));
        let home = env::home_dir().map(|home| home.join(".local/bin/uv"));
        beside.into_iter().chain(home).find(|path| path.is_file())
    });
    let python = directory.join("bin/python");
    let installer = match restored.manager {
        Manager::Uv => {
            let Some(uv) = uv else {
                return Err(Error::new(
                    Kind::FailedPrecondition,
                    "UV_NOT_FOUND",
                    "env_manager is uv, and there is no uv on PATH",
                )
                .remedy("`pip install uv`, or choose env_manager virtualenv"));
            };
            let base = find_python(&contents.python, &contents.minor(), Some(&uv))?;
            run(&uv, &[words(&["venv", "--no-project", "--python"]), vec![text(&base), text(directory)]].concat())?;
            (uv, [words(&["pip", "install", "--python"]), vec![text(&python)]].concat())
        }
        Manager::Virtualenv => {
            let base = find_python(&contents.python, &contents.minor(), uv.as_deref())?;
            run(&base, &[words(&["-m", "venv"]), vec![text(directory)]].concat())?;
            (python.clone(), words(&["-m", "pip", "install", "--no-input", "--disable-pip-version-check"]))
        }
        Manager::Conda => (python.clone(), words(&["-m", "pip", "install", "--no-input"])),
    };
    let install = |packages: &[String]| {
        let mut arguments = installer.1.clone();
        for package in packages {
            match included(package) {
                Some(file) => arguments.extend(["-r".into(), text(&restored.directory.join(file))]),
                None => arguments.push(package.clone()),
            }
        }
        if packages.is_empty() { Ok(()) } else { run(&installer.0, &arguments) }
    };
    if restored.manager != Manager::Conda {
        install(&contents.build)?;
        install(&contents.packages)?;
    }
    let own = words(&["-c", "import pandas, pyarrow"]);
    run(&python, &own).or_else(|_| install(&words(&["pandas", "pyarrow"]))).and_then(|()| run(&python, &own))
}

fn conda() -> Result<PathBuf> {
    let named = env::var_os("CONDA_EXE").map(PathBuf::from).filter(|path| path.is_file());
    named.or_else(|| ["conda", "mamba", "micromamba"].into_iter().find_map(on_path)).ok_or_else(|| {
        Error::new(Kind::FailedPrecondition, "CONDA_NOT_FOUND", "env_manager is conda, and there is no conda on PATH")
            .remedy("install conda or micromamba, or choose env_manager virtualenv or uv")
    })
}

fn run(program: &Path, arguments: &[String], directory: &Path, log: &Log, context: &Context) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory);
    for name in ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"] {
        command.env_remove(name);
    }
    let process = Process::start(command, "environment", Output::Taken(log.file.clone()))?;
    process.wait_within(context)?;
    let (status, tail) = process.end();
    if status.success() {
        return Ok(());
    }
    let shown = arguments.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(" ");
    let program = program.display();
    let end = end(&tail);
    let last = end.lines().last().unwrap_or_default();
    let message = format!(
        "the model's environment could not be built: '{program} {shown} ...' {}, all it wrote is in '{}': {}",
        describe(status),
        log.path.display(),
        &last[..last.floor_char_boundary(LAST_LINE)]
    );
    Err(Error::new(Kind::FailedPrecondition, "ENVIRONMENT_BUILD", message).traceback(end))
}

/// The last lines that say something.
fn end(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() { "(no output)".into() } else { lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n") }
}
