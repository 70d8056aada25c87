//! The three pipes of a run. Types of our own, so that a remote run can have the same ones.

use std::{io, os::fd::OwnedFd};

use bytes::{Bytes, BytesMut};
use rustix::io::Errno;
use tokio::net::unix::pipe;

use crate::Buffers;

/// Where reading begins: what a pipe holds unless it is made larger.
const SMALL: usize = 64 * 1024;
/// One read, once a stream has shown that it is bulk.
const LARGE: usize = 256 * 1024;
/// What a pipe is asked to hold then. The kernel may refuse; nothing depends on it.
const PIPE_BYTES: usize = 1024 * 1024;
/// Up to this many bytes are copied out of the read buffer, so that a small line does not hold a large buffer.
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

    /// Waits until there may be something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.inner.readable().await
    }

    /// Reads what is there onto the end of `buffer`; 0 is the end of the stream, `WouldBlock` that nothing is there.
    pub(crate) fn try_fill(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        buffer.reserve(self.chunk);
        let count = self.try_read(buffer)?;
        if count >= SMALL && self.chunk == SMALL {
            self.chunk = LARGE;
            let _ = rustix::pipe::fcntl_setpipe_size(&self.inner, PIPE_BYTES);
        }
        Ok(count)
    }

    /// Reads what is there, as far as the buffer has room for it.
    pub(crate) fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            match self.inner.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Reads what is there, asking the kernel itself: the runtime knows only what it was told when it last waited, and
    /// it may have waited for nothing since.
    pub(crate) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(&self.inner, &mut *buffer))?)
    }

    /// How many bytes the pipe holds now.
    pub(crate) fn available(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.inner).unwrap_or(0)
    }

    /// The next bytes, at most 256 KiB of them, or nothing at the end of the stream. Safe to cancel: nothing is lost.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.capacity() < self.chunk {
            buffer = self.buffers.take(self.chunk);
        }
        loop {
            match self.try_fill(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Kept here while waiting, so that a wait that is cancelled does not cost it.
                    self.buffer = buffer;
                    self.readable().await?;
                    buffer = std::mem::take(&mut self.buffer);
                }
                result => return result.map(|count| (count > 0).then(|| self.hand_on(buffer))),
            }
        }
    }

    /// Exactly so many bytes, or fewer at the end of the stream: what comes after them stays in the pipe.
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

    /// What is there now, by [`Pipe::read_now`].
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

/// The first `count` bytes: copied where they are few, shared with the buffer where they are many.
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

    /// How many bytes were written and not read yet.
    pub(crate) fn unread(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.inner).unwrap_or(0)
    }

    /// Writes what fits. `BrokenPipe`: the model wants no more. `WouldBlock`: the pipe is full.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = loop {
            match self.inner.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        // A write that did not fit is the sign of bulk.
        if !self.raised && matches!(result, Ok(count) if count < bytes.len()) {
            self.raised = true;
            let _ = rustix::pipe::fcntl_setpipe_size(&self.inner, PIPE_BYTES);
        }
        result
    }

    /// Writes some of the bytes, waiting for room. Returns 0 where the model has closed its end: that is no error, it
    /// simply wants no more.
    ///
    /// # Errors
    /// What the kernel says otherwise.
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

/// Whether a write failed because nobody reads any more.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::PIPE.raw_os_error())
}
