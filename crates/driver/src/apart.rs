//! Threads for work that may block.

use std::{io, thread};

use mer_core::not_started;
use tokio::sync::oneshot;

/// Does `work` on a thread of its own. That there are too many threads is an error of the kind that passes.
pub(crate) fn on_a_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(not_started)
}

/// Does `work` on a thread while the runtime goes on. Where this is dropped the thread is left behind, and so is what it makes.
pub(crate) async fn apart<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    on_a_thread(name, move || drop(tell.send(work())))?;
    told.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
}
