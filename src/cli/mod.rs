//! The command line: one file a subcommand, no logic of its own.

#[cfg(feature = "batch")]
mod batch_score;
#[cfg(feature = "remote")]
mod download;
mod inspect;
#[cfg(feature = "batch")]
mod interrupt;
#[cfg(any(feature = "batch", feature = "flight"))]
mod limits;
#[cfg(feature = "remote")]
mod log;
#[cfg(feature = "batch")]
mod model_args;
#[cfg(feature = "remote")]
mod models;
#[cfg(feature = "batch")]
mod predict;
#[cfg(feature = "flight")]
mod serve;
#[cfg(any(feature = "batch", feature = "flight"))]
mod values;

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::error::Result;

/// MLflow Models, scored in Rust over Arrow.
#[derive(Debug, Parser)]
#[command(name = "mlflight", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What to log on stderr: error, warn, info, debug, trace, or a filter such as `mlflight=debug`.
    #[arg(long, global = true, env = "MLFLIGHT_LOG", default_value = "warn", value_parser = log_filter)]
    log: String,
    /// Log one JSON object a line.
    #[arg(long, global = true)]
    log_json: bool,
}

#[allow(clippy::large_enum_variant, reason = "there is one a process")]
#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Args),
    #[cfg(feature = "remote")]
    Download(download::Args),
    #[cfg(feature = "batch")]
    BatchScore(batch_score::Args),
    #[cfg(feature = "batch")]
    Predict(predict::Args),
    #[cfg(feature = "remote")]
    Log(log::Args),
    #[cfg(feature = "remote")]
    Models(models::Args),
    /// Serve models over Arrow Flight.
    #[cfg(feature = "flight")]
    Serve(serve::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli);
    #[cfg(feature = "remote")]
    crate::store::show_progress();
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

/// A filter of the log. A word alone must be a level or name this program: any other would be a target that nothing logs to.
fn log_filter(text: &str) -> Result<String, String> {
    let known = |directive: &str| {
        let word = directive.trim();
        word.contains(['=', '[']) || word.is_empty() || word.starts_with("mlflight") || word.parse::<LevelFilter>().is_ok()
    };
    match text.split(',').find(|directive| !known(directive)) {
        Some(word) => Err(format!("'{}' is no level: give error, warn, info, debug, trace or off", word.trim())),
        None => EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string()),
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
        #[cfg(feature = "remote")]
        Command::Download(args) => download::run(args),
        #[cfg(feature = "remote")]
        Command::Log(args) => log::run(args),
        #[cfg(feature = "remote")]
        Command::Models(args) => models::run(args),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_filter_is_a_level_or_names_what_logs() {
        for good in ["warn", "DEBUG", "off", "mlflight=debug", "info,mlflight::python=trace", "mlflight", "h2=info,warn", ""] {
            assert_eq!(log_filter(good).as_deref(), Ok(good));
        }
        for bad in ["nonsense", "warm", "info,verbose", "mlflight=loud", "[["] {
            assert!(log_filter(bad).is_err(), "{bad}");
        }
        assert!(log_filter("nonsense").unwrap_err().starts_with("'nonsense' is no level"));
    }
}
