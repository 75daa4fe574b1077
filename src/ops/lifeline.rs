//! A server of one process alone, which ends with that process.

use super::Address;
use crate::error::{Error, Kind, Result};

/// Ends this process, and removes its socket, once standard input closes: the process that started this one holds the other end.
pub fn follow_stdin(address: &Address) -> Result<()> {
    let socket = match address {
        Address::Unix(path) => Some(path.clone()),
        Address::Tcp(_) => None,
    };
    let follow = move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        if let Some(path) = socket {
            let _ = std::fs::remove_file(&path);
            // Its directory was made for the socket by the process that started this one; any other is not empty and stays.
            let _ = path.parent().map(std::fs::remove_dir);
        }
        std::process::exit(0);
    };
    std::thread::Builder::new()
        .name("mlflight-lifeline".into())
        .spawn(follow)
        .map(|_| ())
        .map_err(|error| Error::new(Kind::Internal, "THREAD", format!("cannot start a thread: {error}")).source(error))
}
