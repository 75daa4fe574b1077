//! The command line: one file a subcommand, no logic of its own.

#[cfg(feature = "batch")]
mod batch_score;
mod inspect;
#[cfg(feature = "batch")]
mod interrupt;
#[cfg(any(feature = "batch", feature = "flight"))]
mod limits;
#[cfg(feature = "batch")]
mod model_args;
#[cfg(feature = "batch")]
mod predict;
#[cfg(feature = "flight")]
mod serve;

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::error::Result;

/// MLflow Models, scored in Rust over Arrow.
#[derive(Debug, Parser)]
#[command(name = "mlflight", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What to log on stderr: error, warn, info, debug, trace, or a filter such as `mlflight=debug`.
    #[arg(long, global = true, env = "MLFLIGHT_LOG", default_value = "warn")]
    log: String,
    /// Log one JSON object a line.
    #[arg(long, global = true)]
    log_json: bool,
}

#[allow(clippy::large_enum_variant, reason = "there is one a process")]
#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Args),
    #[cfg(feature = "batch")]
    BatchScore(batch_score::Args),
    #[cfg(feature = "batch")]
    Predict(predict::Args),
    /// Serve models over Arrow Flight.
    #[cfg(feature = "flight")]
    Serve(serve::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error}"));
            if let Some(traceback) = error.traceback_text() {
                note(traceback.trim_end());
            }
            tracing::debug!("{error:?}");
            ExitCode::from(error.kind().mapping().exit)
        }
    }
}

fn start_log(cli: &Cli) {
    let filter = EnvFilter::try_new(&cli.log).unwrap_or_else(|_| EnvFilter::new("warn"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // A second start in one process (tests) keeps the first's log.
    let _ = if cli.log_json { builder.json().try_init() } else { builder.try_init() };
}

/// Writes a result to stdout. A reader who closed the pipe has seen enough: that is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(crate::error::Error::io(std::path::Path::new("stdout"), error)),
        Ok(()) => Ok(()),
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Inspect(args) => inspect::run(args),
        #[cfg(feature = "flight")]
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "batch")]
        Command::BatchScore(args) => batch_score::run(args),
        #[cfg(feature = "batch")]
        Command::Predict(args) => predict::run(args),
    }
}

/// Threads that scoring files takes: some a core, and those that read, write, and follow signals and workers.
#[cfg(feature = "batch")]
fn batch_threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from) + 8
}

/// Writes a line to stderr; nobody is left to be told that it is closed.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
