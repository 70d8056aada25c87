//! Writing to standard output. Its reader may take nothing, and a signal ends that wait too.

use std::{io, time::Duration};

use mer_core::FailureKind;
use rustix::stdio::stdout;

use super::{
    blocking_write::{WriteError, has_reader, write_to},
    status_line,
};
use crate::errors::CliError;

/// Why output ends that another program does not read any more.
const GONE: &str = "the reader of standard output has gone";

/// Time between two looks for the reader.
const CHECK: Duration = Duration::from_millis(250);

/// Waits until the reader has gone.
///
/// # Errors
/// `ReaderGone`; it ends in no other way.
pub(super) async fn reader_gone() -> Result<(), CliError> {
    while has_reader(stdout()) {
        tokio::time::sleep(CHECK).await;
    }
    Err(CliError::new(FailureKind::ReaderGone, GONE))
}

/// Writes all bytes to standard output.
///
/// # Errors
/// It cannot be written (74), its reader has gone, or a signal came while the reader took nothing.
pub(super) fn write_all(bytes: &[u8]) -> Result<(), CliError> {
    status_line::hide();
    write_to(stdout(), bytes, &mut None).map_err(|error| match error {
        WriteError::Signal(signal) => {
            CliError::by_signal(signal, "ended by a signal, before standard output was taken")
        }
        WriteError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            CliError::new(FailureKind::ReaderGone, GONE)
        }
        WriteError::Io(error) => CliError::io("cannot write to standard output", error),
    })
}
