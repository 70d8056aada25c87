//! A file that is appended to in large pieces.

use std::{fs::File, io, os::unix::fs::FileExt as _};

/// Number of bytes that are collected before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// A file that is appended to.
#[derive(Debug)]
pub(super) struct Disk {
    file: File,
    /// Length of the file without the buffer.
    written: u64,
    buffer: Vec<u8>,
    /// Length from which on the device is full, in tests.
    full_at: Option<u64>,
}

impl Disk {
    /// Appends to a file after this length.
    pub(super) const fn new(file: File, length: u64) -> Self {
        Self { file, written: length, buffer: Vec::new(), full_at: None }
    }

    /// Lets writing fail from this length on.
    #[cfg(test)]
    pub(super) const fn with_full_at(mut self, length: Option<u64>) -> Self {
        self.full_at = length;
        self
    }

    /// Length with the buffer.
    pub(super) fn length(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Adds bytes. Errors are those of [`Disk::flush`].
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what was added.
    ///
    /// # Errors
    /// Errors of the system. A part may have been written; another call writes the rest.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut done = 0;
        let outcome = loop {
            let rest = &self.buffer[done..];
            let room = self.full_at.map_or(rest.len(), |full| {
                usize::try_from(full.saturating_sub(self.written + done as u64)).unwrap_or(usize::MAX)
            });
            if rest.is_empty() {
                break Ok(());
            } else if room == 0 {
                break Err(io::ErrorKind::StorageFull.into());
            }
            match self.file.write_at(&rest[..rest.len().min(room)], self.written + done as u64) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.buffer.drain(..done);
        self.written += done as u64;
        outcome
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }

    /// Reads bytes that were added.
    pub(super) fn read(&mut self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        if to > self.written {
            self.flush()?;
        }
        let length = usize::try_from(to.saturating_sub(from)).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }

    /// Cuts the file.
    pub(super) fn cut(&mut self, length: u64) -> io::Result<()> {
        self.flush()?;
        self.file.set_len(length)?;
        self.written = length;
        Ok(())
    }
}
