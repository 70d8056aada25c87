//! The pipes of a run. Local and remote runs use the same types.

use std::{io, os::fd::OwnedFd};

use bytes::{Bytes, BytesMut};
use rustix::io::Errno;
use tokio::net::unix::pipe;

use crate::Buffers;

/// Bytes of one read at first: the default capacity of a pipe.
const SMALL: usize = 64 * 1024;
/// Bytes of one read, once the stream is known to be bulk.
const LARGE: usize = 256 * 1024;
/// Capacity that is then requested for the pipe. The kernel may refuse; nothing depends on it.
const PIPE_BYTES: usize = 1024 * 1024;
/// Up to this many bytes are copied out of the read buffer, so that a short line does not keep a large buffer alive.
const COPIED: usize = 4096;

/// The reading end of a model's stdout or stderr.
#[derive(Debug)]
pub struct Pipe {
    inner: pipe::Receiver,
    chunk: usize,
    buffer: BytesMut,
    buffers: Buffers,
}

impl Pipe {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            inner: pipe::Receiver::from_owned_fd(fd)?,
            chunk: SMALL,
            buffer: BytesMut::new(),
            buffers: Buffers::new(),
        })
    }

    /// Waits until the pipe may be readable.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.inner.readable().await
    }

    /// Reads what is available and appends it to `buffer`. 0: end of the stream. `WouldBlock`: the pipe is empty.
    pub(crate) fn try_fill(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        buffer.reserve(self.chunk);
        let count = self.try_read(buffer)?;
        if count >= SMALL && self.chunk == SMALL {
            self.chunk = LARGE;
            let _ = rustix::pipe::fcntl_setpipe_size(&self.inner, PIPE_BYTES);
        }
        Ok(count)
    }

    /// Reads what is available, as far as the buffer has room.
    pub(crate) fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            match self.inner.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Reads what is available by a system call of its own: the readiness that the runtime caches may be out of date.
    pub(crate) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(&self.inner, &mut *buffer))?)
    }

    /// Number of bytes in the pipe.
    pub(crate) fn available(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.inner).unwrap_or(0)
    }

    /// Returns the next bytes, at most 256 KiB, or `None` at the end of the stream. Safe to cancel: no bytes are
    /// lost.
    ///
    /// # Errors
    /// The error of the system.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.capacity() < self.chunk {
            buffer = self.buffers.take(self.chunk);
        }
        loop {
            match self.try_fill(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Stored during the wait, so that cancelling the wait does not lose the buffer.
                    self.buffer = buffer;
                    self.readable().await?;
                    buffer = std::mem::take(&mut self.buffer);
                }
                result => return result.map(|count| (count > 0).then(|| self.hand_on(buffer))),
            }
        }
    }

    /// Reads exactly `count` bytes, or fewer at the end of the stream. The bytes after them stay in the pipe.
    pub(crate) async fn first(&self, count: usize) -> io::Result<Vec<u8>> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let left = count - taken.len();
            match self.inner.try_read_buf(&mut bytes::BufMut::limit(&mut taken, left)) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Returns what is available, by [`Pipe::read_now`].
    pub(crate) fn next_now(&mut self) -> io::Result<Option<Bytes>> {
        let mut buffer = BytesMut::zeroed(SMALL);
        let count = self.read_now(&mut buffer)?;
        buffer.truncate(count);
        Ok((count > 0).then(|| buffer.freeze()))
    }

    fn hand_on(&mut self, mut buffer: BytesMut) -> Bytes {
        if buffer.len() > COPIED {
            return self.buffers.lend(buffer);
        }
        let chunk = Bytes::copy_from_slice(&buffer);
        buffer.clear();
        self.buffer = buffer;
        chunk
    }
}

/// Takes the first `count` bytes: copied if they are few, shared with the buffer if they are many.
pub(crate) fn take_front(buffer: &mut BytesMut, count: usize) -> Bytes {
    if count > COPIED {
        return buffer.split_to(count).freeze();
    }
    let bytes = Bytes::copy_from_slice(&buffer[..count]);
    if count == buffer.len() {
        buffer.clear();
    } else {
        bytes::Buf::advance(buffer, count);
    }
    bytes
}

/// The writing end of a model's stdin. Dropping it is the end of file.
#[derive(Debug)]
pub struct StdinPipe {
    inner: pipe::Sender,
    raised: bool,
}

impl StdinPipe {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { inner: pipe::Sender::from_owned_fd(fd)?, raised: false })
    }

    /// Waits until there may be room.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.inner.writable().await
    }

    /// Number of bytes that were written and not read yet.
    pub(crate) fn unread(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.inner).unwrap_or(0)
    }

    /// Writes what fits. `BrokenPipe`: the model has closed its stdin. `WouldBlock`: the pipe is full.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = loop {
            match self.inner.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        // A write that does not fit shows that the input is bulk.
        if !self.raised && matches!(result, Ok(count) if count < bytes.len()) {
            self.raised = true;
            let _ = rustix::pipe::fcntl_setpipe_size(&self.inner, PIPE_BYTES);
        }
        result
    }

    /// Writes some of the bytes, and waits for room if there is none. Returns 0 if the model has closed its stdin,
    /// which is no error.
    ///
    /// # Errors
    /// Any other error of the system.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) if is_closed(&error) => return Ok(0),
                result => return result,
            }
        }
    }
}

/// Whether a write failed because the reading end is closed.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::PIPE.raw_os_error())
}
