//! The command line: one file a subcommand, no logic of its own.

mod inspect;

use std::process::ExitCode;

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
    Inspect(inspect::Args),
    /// Prints the version.
    Version,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:?}");
            ExitCode::from(error.kind().mapping().exit)
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Inspect(args) => inspect::run(args),
        Command::Version => Ok(()),
    }
}
