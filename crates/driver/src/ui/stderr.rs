//! Writing to standard error.

use std::io::{self, Write};

use super::status_line;

/// Writes to standard error. A failure is dropped: there is no other stream to report it on.
pub(crate) fn write(text: &str) {
    status_line::hide();
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
