//! Threads for work that may block.

use std::{io, thread};

use mer_core::not_started;
use tokio::sync::oneshot;

/// Starts a thread for `work`.
///
/// # Errors
/// The thread cannot be started; too many threads are an error that may pass.
pub fn spawn_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(not_started)
}

/// Runs `work` on another thread, so that it does not block the runtime. If the returned future is dropped, the thread goes on
/// and its result is dropped.
///
/// # Errors
/// Those of the work, or the thread cannot be started.
pub async fn run_blocking<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, result) = oneshot::channel();
    spawn_thread(name, move || drop(sender.send(work())))?;
    result.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
}
