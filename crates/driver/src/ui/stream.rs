//! The standard streams themselves.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::errors::CliError;
use mer_core::FailureKind;

/// What a failed write to standard output means.
pub(super) fn failed(error: io::Error) -> CliError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        CliError::new(FailureKind::ReaderGone, "the reader of standard output has gone")
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

/// How many rows of the terminal the line that passes takes; 0 where none stands.
static ROWS: AtomicUsize = AtomicUsize::new(0);

/// Shows a line that goes again, in the place of the one before.
pub(super) fn pass(line: &str) {
    let columns = rustix::termios::tcgetwinsize(rustix::stdio::stderr()).map_or(0, |size| size.ws_col);
    let before = ROWS.swap(rows(line, columns.into()), Ordering::Relaxed);
    raw(&format!("{}{line}", gone(before)));
}

/// Takes the line that passes away: something is to be written in its place.
pub(crate) fn step_aside() {
    match ROWS.swap(0, Ordering::Relaxed) {
        0 => {}
        rows => raw(&gone(rows)),
    }
}

/// How many rows a line takes: a terminal goes on in the next row where one is full. Without a width it is one.
fn rows(line: &str, columns: usize) -> usize {
    1 + line.chars().count().saturating_sub(1).checked_div(columns).unwrap_or(0)
}

/// What erases so many rows, from the last one up, and leaves the cursor where they began.
fn gone(rows: usize) -> String {
    "\r\x1b[K\x1b[A".repeat(rows.saturating_sub(1)) + "\r\x1b[K"
}

/// Last words, from a process that is about to end.
pub(crate) fn emergency(text: &str) {
    to_stderr(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_passes_goes_from_all_its_rows() {
        for (length, columns, expected) in [(0, 40, 1), (39, 40, 1), (40, 40, 1), (41, 40, 2), (80, 40, 2), (81, 40, 3)]
        {
            assert_eq!(rows(&"x".repeat(length), columns), expected, "{length} in {columns}");
        }
        assert_eq!(rows("a terminal without a width", 0), 1);
        assert_eq!(gone(0), "\r\x1b[K");
        assert_eq!(gone(1), "\r\x1b[K");
        assert_eq!(gone(3), "\r\x1b[K\x1b[A\r\x1b[K\x1b[A\r\x1b[K");
    }
}
