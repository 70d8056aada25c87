//! The standard streams themselves.

use std::io::{self, Write};

use crate::error::{CliError, Kind};

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
