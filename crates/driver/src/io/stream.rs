//! Writing to a file descriptor without blocking the runtime.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use bytes::Bytes;
use mer_core::FailureKind;
use mer_service::spawn_thread;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{mpsc, oneshot};

use crate::errors::CliError;

/// Bytes that a pipe which is ready takes without blocking (PIPE_BUF).
const ATOMIC: usize = 4096;
/// Capacity that a pipe is set to when it carries much, in bytes.
const PIPE_BYTES: usize = 1024 * 1024;
/// Maximum number of chunks that wait for a slow reader.
const QUEUE: usize = 4;

/// A file descriptor that is written to without blocking the runtime.
#[derive(Debug)]
pub(crate) struct Stream {
    fd: OwnedFd,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    chunks: mpsc::Sender<Bytes>,
    done: oneshot::Receiver<io::Result<()>>,
}

impl Stream {
    /// Writes to an open file.
    pub(super) const fn new(fd: OwnedFd) -> Self {
        Self { fd, writer: None }
    }

    /// Duplicates a descriptor of this process.
    pub(super) fn of(fd: BorrowedFd<'_>) -> Result<Self, CliError> {
        let fd = fd.try_clone_to_owned().map_err(write_error)?;
        Ok(Self::new(fd))
    }

    /// Writes a chunk. A long one, or one that would block, goes to a thread.
    pub(super) async fn put(&mut self, chunk: Bytes) -> io::Result<()> {
        if self.writer.is_none() {
            if chunk.len() <= ATOMIC && is_ready(self.fd.as_fd()) {
                return write_all(&self.fd, &chunk);
            }
            self.writer = Some(self.start_writer()?);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if writer.chunks.send(chunk).await.is_ok() {
            return Ok(());
        }
        // The thread ends early only with an error.
        match (&mut writer.done).await {
            Ok(Err(error)) => Err(error),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn start_writer(&self) -> io::Result<Writer> {
        let fd = self.fd.try_clone()?;
        // The output is longer than a line, and a larger pipe wakes both ends less often. Fails harmlessly if it is no pipe.
        let _ = rustix::pipe::fcntl_setpipe_size(&fd, PIPE_BYTES);
        let (chunks, mut receiver) = mpsc::channel::<Bytes>(QUEUE);
        let (outcome, done) = oneshot::channel();
        let write = move || {
            let mut result = Ok(());
            while let Some(chunk) = receiver.blocking_recv() {
                result = write_all(&fd, &chunk);
                if result.is_err() {
                    break;
                }
            }
            drop(receiver);
            // The receiver has gone if the command is over already.
            let _ = outcome.send(result);
        };
        spawn_thread("mer-stdout", write)?;
        Ok(Writer { chunks, done })
    }

    /// Splits off what is left to be written, for a caller that only has a reference.
    pub(super) fn take_rest(&mut self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()?, writer: self.writer.take() })
    }

    /// Waits until everything is written.
    pub(super) async fn finish(self) -> io::Result<()> {
        let Some(Writer { chunks, done }) = self.writer else { return Ok(()) };
        drop(chunks);
        done.await.unwrap_or(Ok(()))
    }
}

/// Whether a short write will not block.
fn is_ready(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(&fd, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&now)), Ok(1)) && fds[0].revents().contains(PollFlags::OUT)
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Returns the error of a failed write to a stream.
pub(super) fn write_error(error: io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        CliError::new(FailureKind::ReaderGone, "the reader of the output has gone")
    } else {
        CliError::io("cannot write the output", error)
    }
}
