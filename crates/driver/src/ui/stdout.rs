//! Writing to standard output. Its reader may take nothing, and a signal ends that wait too.

use std::io;

use mer_core::FailureKind;
use rustix::stdio::stdout;

use super::{
    blocking_write::{WriteError, write_to},
    status_line,
};
use crate::errors::CliError;

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
            CliError::new(FailureKind::ReaderGone, "the reader of standard output has gone")
        }
        WriteError::Io(error) => CliError::io("cannot write to standard output", error),
    })
}
