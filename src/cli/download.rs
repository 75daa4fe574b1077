//! `mlflight download`: brings what a URI names to this machine.

use std::path::PathBuf;

use crate::{error::Result, store};

/// Downloads a model and prints its directory.
///
/// Without a destination it goes to the cache, where every other command finds it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model, or another directory of files: a path or a URI
    #[arg(value_name = "URI")]
    uri: String,

    /// A directory for the files, which must not be there or be empty [default: the cache]
    #[arg(short, long, value_name = "DIR")]
    destination: Option<PathBuf>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<()> {
    let directory = store::fetch(&args.uri, args.destination.as_deref())?;
    super::print(&format!("{}\n", directory.display()))
}
