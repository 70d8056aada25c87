//! Work that may block, on a thread of its own.

use std::{io, thread};

use tokio::sync::oneshot;

/// Does `work` while the runtime goes on. Where this is dropped the thread is left behind, and so is what it makes.
pub(crate) async fn apart<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    let work = move || drop(tell.send(work()));
    thread::Builder::new().name("mer-file".to_owned()).spawn(work)?;
    told.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
}
