//! The standard streams themselves.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

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
    step_aside();
    raw(text);
}

fn raw(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Whether a line that passes stands on the terminal.
static STANDS: AtomicBool = AtomicBool::new(false);

/// Shows a line that goes again, in the place of the one before.
pub(super) fn pass(line: &str) {
    STANDS.store(true, Ordering::Relaxed);
    raw(&format!("\r{line}\x1b[K"));
}

/// Takes the line that passes away: something is to be written in its place.
pub(crate) fn step_aside() {
    if STANDS.swap(false, Ordering::Relaxed) {
        raw("\r\x1b[K");
    }
}

/// Last words, from a process that is about to end.
pub(crate) fn emergency(text: &str) {
    to_stderr(text);
}
