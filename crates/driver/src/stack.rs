//! The stack that a command works on.

use std::thread;

use mer_core::not_started;
use rustix::process::{Resource, getrlimit};

use crate::errors::CliError;

/// What is enough for every command, the database engine's work included. It is also Linux's usual limit.
const ENOUGH: u64 = 8 << 20;
/// The size of the other stack: the same, as a thread wants it.
const SIZE: usize = 8 << 20;

/// Does `work` on a stack that is large enough, whatever `ulimit -s` says: a stack that was used up ends a process by a
/// signal, and without a word that helps. The limit holds for the first thread, and for what is started from here; a stack of
/// another thread is as large as that is made.
pub(crate) fn with_enough<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, CliError> {
    if getrlimit(Resource::Stack).current.is_none_or(|limit| limit >= ENOUGH) {
        return Ok(work());
    }
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("main".into()).stack_size(SIZE).spawn_scoped(scope, work);
        let worker = worker.map_err(|error| {
            CliError::io("the stack is too small (`ulimit -s`), and there cannot be a larger one", not_started(error))
        })?;
        // A panic ends the process before this is reached.
        worker.join().map_err(|_| CliError::io("the command ended with a panic", std::io::Error::other("panic")))
    })
}
