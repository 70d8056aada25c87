//! The local ends of a channel: pipes, or memory for the watchdog.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// Bytes of one read from a pipe.
const CHUNK: usize = 128 * 1024;

/// The bytes for the server.
#[derive(Debug)]
pub(super) struct ChannelInput {
    from: Option<OwnedFd>,
    buffer: Vec<u8>,
    sent: usize,
}

impl ChannelInput {
    pub(super) fn pipe(fd: OwnedFd) -> Self {
        Self { from: Some(fd), buffer: Vec::new(), sent: 0 }
    }

    /// Never ends by itself.
    pub(super) fn memory() -> Self {
        Self { from: None, buffer: Vec::new(), sent: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The bytes that are still to be sent.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.buffer[self.sent..]
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.buffer.len() {
            self.buffer.clear();
            self.sent = 0;
        }
    }

    /// What to poll: the pipe, if no bytes are waiting.
    pub(super) fn wants(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().filter(|_| self.waiting().is_empty()).map(AsFd::as_fd)
    }

    /// Reads more. Returns false at the end of the stream.
    pub(super) fn fill(&mut self) -> bool {
        let Some(fd) = &self.from else { return true };
        let start = self.buffer.len();
        self.buffer.resize(start + CHUNK, 0);
        let got = rustix::io::retry_on_intr(|| rustix::io::read(fd, &mut self.buffer[start..]));
        self.buffer.truncate(start + *got.as_ref().unwrap_or(&0));
        match got {
            Ok(0) => false,
            Ok(_) | Err(Errno::AGAIN) => true,
            Err(_) => false,
        }
    }

    /// Closes the pipe, which its writer notices.
    pub(super) fn shut(&mut self) {
        self.from = None;
        self.buffer = Vec::new();
        self.sent = 0;
    }
}

/// The receiver of the bytes from the server.
#[derive(Debug)]
pub(super) enum ChannelOutput {
    Pipe {
        fd: OwnedFd,
        /// The bytes that did not fit.
        waiting: Vec<u8>,
        /// For a tunnel: its socket is used in the other direction too, so that its end must be signalled.
        duplex: bool,
    },
    /// For the watchdog.
    Memory(Vec<u8>),
    /// Closed: bytes are dropped.
    Nowhere,
}

impl ChannelOutput {
    pub(super) const fn pipe(fd: OwnedFd, duplex: bool) -> Self {
        Self::Pipe { fd, waiting: Vec::new(), duplex }
    }

    /// Whether it takes more bytes.
    pub(super) fn has_room(&self) -> bool {
        !matches!(self, Self::Pipe { waiting, .. } if !waiting.is_empty())
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Memory(memory) => memory.extend_from_slice(bytes),
            Self::Nowhere => {}
            Self::Pipe { fd, waiting, .. } => match write(fd, bytes) {
                Some(count) => waiting.extend_from_slice(&bytes[count..]),
                None => *self = Self::Nowhere,
            },
        }
    }

    /// Writes the waiting bytes.
    pub(super) fn flush(&mut self) {
        let Self::Pipe { fd, waiting, .. } = self else { return };
        match write(fd, waiting) {
            Some(count) => drop(waiting.drain(..count)),
            None => *self = Self::Nowhere,
        }
    }

    /// Ends the stream.
    pub(super) fn end(&mut self) {
        if let Self::Pipe { fd, duplex: true, .. } = self {
            let _ = rustix::net::shutdown(fd, rustix::net::Shutdown::Write);
        }
        *self = Self::Nowhere;
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Pipe { fd, .. } => Some(fd.as_fd()),
            _ => None,
        }
    }
}

/// Writes what fits. `None` if the reader is gone.
fn write(fd: &OwnedFd, bytes: &[u8]) -> Option<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::retry_on_intr(|| rustix::io::write(fd, &bytes[done..])) {
            Ok(count) => done += count,
            Err(Errno::AGAIN) => break,
            Err(_) => return None,
        }
    }
    Some(done)
}
