//! The standard streams themselves.

use std::{
    fs::File,
    io::{self, Write},
};

use crate::error::{CliError, Kind};

/// Standard output without a buffer of ours and without a line discipline: for a model's bytes.
#[derive(Debug)]
pub(crate) struct RawOutput(File);

/// Opens standard output for raw bytes.
///
/// # Errors
/// There is no standard output.
pub(crate) fn raw_output() -> Result<RawOutput, CliError> {
    let fd = rustix::io::dup(rustix::stdio::stdout()).map_err(|errno| failed(errno.into()))?;
    Ok(RawOutput(File::from(fd)))
}

impl RawOutput {
    /// Writes all of it. Blocks while the reader is slow.
    ///
    /// # Errors
    /// It cannot be written; `ReaderGone` where its reader has left.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.0.write_all(bytes).map_err(failed)
    }
}

/// What a failed write to standard output means.
pub(super) fn failed(error: io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        CliError::new(Kind::ReaderGone, "the reader of standard output has gone")
    } else {
        CliError::io("cannot write to standard output", error)
    }
}

/// Writes to standard error. A failure is dropped: there is nowhere left to tell of it.
pub(super) fn to_stderr(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Last words, from a process that is about to end.
pub(crate) fn emergency(text: &str) {
    to_stderr(text);
}
