//! Runs commands on a stack that is large enough.

use std::thread;

use mer_core::not_started;
use rustix::process::{Resource, getrlimit};

use crate::errors::CliError;

/// Stack that is enough for every command, including the database engine: 8 MiB, Linux's default.
const ENOUGH: u64 = 8 << 20;
/// The same, as the type that a thread takes.
const THREAD_STACK: usize = 8 << 20;

/// Runs `work` on a stack of at least 8 MiB, whatever `ulimit -s` says: a stack overflow ends the process by a signal, without a
/// useful message. The limit applies to the first thread and to child processes; the stack of another thread may be larger.
///
/// # Errors
/// A thread cannot be started (75).
pub(crate) fn with_enough<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, CliError> {
    if getrlimit(Resource::Stack).current.is_none_or(|limit| limit >= ENOUGH) {
        return Ok(work());
    }
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("main".into()).stack_size(THREAD_STACK).spawn_scoped(scope, work);
        let worker = worker.map_err(|error| {
            CliError::io("the stack is too small (`ulimit -s`), and there cannot be a larger one", not_started(error))
        })?;
        // A panic ends the process before this is reached.
        worker.join().map_err(|_| CliError::io("the command ended with a panic", std::io::Error::other("panic")))
    })
}
