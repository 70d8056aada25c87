//! The standard streams as files, for the threads of a batch.

use std::{fs::File, io, os::fd::BorrowedFd};

use crate::errors::CliError;

/// Opens a standard stream once more. `name` is `input` or `output`.
///
/// # Errors
/// It is closed (74).
pub(super) fn open_stream(stream: BorrowedFd<'_>, name: &str) -> Result<File, CliError> {
    rustix::io::dup(stream)
        .map(File::from)
        .map_err(|errno| CliError::io(format!("there is no standard {name}"), io::Error::from(errno)))
}
