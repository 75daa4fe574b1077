//! The command line: one file a subcommand, no logic of its own.

#[cfg(feature = "batch")]
mod batch_score;
#[cfg(feature = "batch")]
mod ddl;
#[cfg(feature = "batch")]
mod interrupt;
#[cfg(feature = "batch")]
mod model_args;
#[cfg(feature = "batch")]
mod predict;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::error::Result;

/// MLflow Models, scored in Rust over Arrow.
#[derive(Debug, Parser)]
#[command(name = "mlflight", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "batch")]
    BatchScore(batch_score::Args),
    #[cfg(feature = "batch")]
    Predict(predict::Args),
    /// Prints the version.
    Version,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error}"));
            if let Some(traceback) = error.traceback_text() {
                note(traceback);
            }
            ExitCode::from(error.kind().mapping().exit)
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        #[cfg(feature = "batch")]
        Command::BatchScore(args) => batch_score::run(args),
        #[cfg(feature = "batch")]
        Command::Predict(args) => predict::run(args),
        Command::Version => Ok(()),
    }
}

/// Writes a line to standard error; a closed one is no failure.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
