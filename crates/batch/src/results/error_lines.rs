//! The file of errors: a JSON line for each failed item.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{
    finished::{Finished, Ran},
    render::error_line,
};
use crate::error::BatchError;

/// The file of errors.
#[derive(Debug)]
pub(crate) struct ErrorLines {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
}

impl ErrorLines {
    /// Opens the file. A resumed batch appends to it; another one empties it.
    ///
    /// # Errors
    /// [`BatchError::Write`].
    pub(crate) fn open(path: &Path, is_resumed: bool) -> Result<Self, BatchError> {
        let failed = |source| BatchError::Write { path: path.to_owned(), source };
        let is_special = std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
        let options = mer_files::external().create(0o666);
        let options = if is_resumed { options.append() } else { options.write().truncate() };
        let file = if is_special { mer_files::open_output(path) } else { options.open(path) };
        Ok(Self { path: path.to_owned(), file: file.map_err(failed)?, buffer: Vec::new() })
    }

    /// Adds a failed item.
    pub(crate) fn add(&mut self, finished: &Finished, ran: &Ran) {
        self.buffer.extend_from_slice(&error_line(finished, ran));
    }

    /// Writes what was added.
    ///
    /// # Errors
    /// [`BatchError::Write`].
    pub(crate) fn flush(&mut self) -> Result<(), BatchError> {
        let written: io::Result<()> = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|source| BatchError::Write { path: self.path.clone(), source })
    }
}
