//! What a command needs of the system, asked for at its start: a limit that is too low is named then, in one sentence, where a thread or
//! file that cannot be had in the middle of the work would be a panic.

use std::{
    sync::{Mutex, mpsc},
    thread,
};

use rustix::process::{Resource, getrlimit};

use crate::error::{Error, Kind, Result};

/// Open files that a command needs: its libraries, its input and output, a runtime's own.
const FILES: u64 = 64;
/// Address space that must be free beside the threads' stacks.
const ROOM: usize = 64 << 20;

/// Checks that so many threads, [`FILES`] and [`ROOM`] can be had.
pub(super) fn require(threads: usize) -> Result<()> {
    if let Some(files) = getrlimit(Resource::Nofile).current.filter(|files| *files < FILES) {
        return Err(too_low("open files", "ulimit -n", files).expected(format!("at least {FILES}")));
    }
    // They wait until nobody is left to send.
    let (sender, receiver) = mpsc::channel::<()>();
    let receiver = Mutex::new(receiver);
    let wait = || drop(receiver.lock().map(|receiver| receiver.recv()));
    // All at once: one that has ended makes place for the next.
    let (threads_fail, room_fails) = thread::scope(|scope| {
        let failure = (0..threads).find_map(|_| thread::Builder::new().spawn_scoped(scope, wait).err());
        let mut room = Vec::<u8>::new();
        let room_fails = room.try_reserve_exact(ROOM).is_err();
        // Memory that nobody uses could be left out by the compiler.
        std::hint::black_box(&room);
        drop(sender);
        (failure, room_fails)
    });
    match threads_fail {
        None if !room_fails => Ok(()),
        cause => Err(named(threads, cause)),
    }
}

fn named(threads: usize, cause: Option<std::io::Error>) -> Error {
    let limit = |resource| getrlimit(resource).current;
    let error = match (cause.is_some(), limit(Resource::As), limit(Resource::Nproc)) {
        (_, Some(bytes), _) => too_low("address space in KiB", "ulimit -v", bytes >> 10),
        (true, None, Some(processes)) => too_low("processes and threads", "ulimit -u", processes),
        _ => Error::new(Kind::FailedPrecondition, "LIMIT", "the system gives this process too few threads or too little memory")
            .remedy("raise the limits of its user or container (pids, memory)"),
    };
    let error = error.expected(format!("{threads} threads and {} MiB beside their stacks", ROOM >> 20));
    match cause {
        Some(cause) => error.source(cause),
        None => error,
    }
}

fn too_low(what: &str, name: &str, limit: u64) -> Error {
    Error::new(Kind::FailedPrecondition, "LIMIT", format!("the limit on {what} ({name}) is too low"))
        .found(limit)
        .remedy(format!("raise it with '{name}', or in the settings of the user or container"))
}
