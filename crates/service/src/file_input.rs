//! Reads files and other file descriptors as inputs.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::mpsc as std_mpsc,
};

use bytes::Bytes;
use mer_meal::Input;
use rustix::{io::Errno, pipe::fcntl_setpipe_size};
use tokio::sync::{mpsc, oneshot};

use crate::blocking::spawn_thread;

/// Bytes of one read.
const CHUNK: usize = 256 * 1024;
/// Default capacity of a pipe, in bytes.
const FULL_PIPE: usize = 64 * 1024;
/// Capacity that a pipe is set to once it was full, in bytes.
const PIPE_BYTES: usize = 1024 * 1024;
/// Maximum number of chunks that wait for their receiver.
const QUEUE: usize = 4;

/// A chunk whose buffer goes back to the reader when it is dropped.
struct ReusedBuffer {
    buffer: Vec<u8>,
    count: usize,
    back: std_mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for ReusedBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.count]
    }
}

impl Drop for ReusedBuffer {
    fn drop(&mut self) {
        // The reader may have ended already.
        let _ = self.back.send(std::mem::take(&mut self.buffer));
    }
}

/// Opens a file on the thread that reads it, because both may block.
///
/// # Errors
/// It cannot be opened.
pub async fn open_file(path: PathBuf) -> io::Result<Input> {
    let (chunks, receiver) = mpsc::channel(QUEUE);
    let (opened, outcome) = oneshot::channel();
    spawn_thread("mer-stdin", move || {
        let file = match mer_files::open_input(&path) {
            Ok(file) => file,
            Err(error) => return drop(opened.send(Err(error))),
        };
        // The caller no longer waits after a signal.
        let _ = opened.send(Ok(()));
        match file.wait(|| !chunks.is_closed()) {
            Ok(Some(fd)) => read_all(&fd, &chunks),
            Ok(None) => {}
            Err(error) => drop(chunks.blocking_send(Err(error))),
        }
    })?;
    outcome.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))?;
    Ok(Input::Stream(receiver))
}

/// Reads a file descriptor on a thread of its own.
///
/// # Errors
/// The thread cannot be started.
pub fn read_fd(fd: OwnedFd) -> io::Result<Input> {
    let (chunks, receiver) = mpsc::channel(QUEUE);
    spawn_thread("mer-stdin", move || read_all(&fd, &chunks))?;
    Ok(Input::Stream(receiver))
}

/// Reads to the end, or until the receiver has gone. An error is sent as the last item: the receiver must know that chunks are
/// missing.
fn read_all(from: &impl AsFd, chunks: &mpsc::Sender<io::Result<Bytes>>) {
    let (back, spare) = std_mpsc::channel::<Vec<u8>>();
    let mut bulk = false;
    loop {
        // Buffers are reused: the page faults of fresh memory cost more than the reading.
        let mut buffer = spare.try_recv().unwrap_or_default();
        buffer.resize(CHUNK, 0);
        match rustix::io::read(from, &mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                // A pipe that was full will be full again, and a larger one wakes this thread less often. Fails harmlessly
                // if it is no pipe, or if the kernel refuses.
                if !bulk && count >= FULL_PIPE {
                    bulk = true;
                    let _ = fcntl_setpipe_size(from, PIPE_BYTES);
                }
                let chunk = Bytes::from_owner(ReusedBuffer { buffer, count, back: back.clone() });
                if chunks.blocking_send(Ok(chunk)).is_err() {
                    return;
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => return drop(chunks.blocking_send(Err(errno.into()))),
        }
    }
}
