//! The target of `-o FILE`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use mer_service::run_blocking;

use super::stream::{Stream, write_error};
use crate::errors::CliError;

/// The target of `-o FILE`.
#[derive(Debug)]
pub(crate) struct OutputFile {
    stream: Stream,
    target: PathBuf,
    /// The file that is renamed to the target at the end; `None` if the target is not a regular file (`/dev/null`, a fifo).
    temporary: Option<PathBuf>,
}

impl OutputFile {
    /// Creates a file with the default mode (0666 less the umask); an existing file keeps its mode. Waits for the reader of a
    /// named pipe.
    ///
    /// # Errors
    /// It cannot be written (74).
    pub(crate) async fn create(target: &Path) -> Result<Self, CliError> {
        Self::with_mode(target, 0o666).await
    }

    /// Creates a file that only its owner can read (0600), for data that may contain passwords; an existing file keeps its mode.
    ///
    /// # Errors
    /// It cannot be written (74).
    pub(crate) async fn create_private(target: &Path) -> Result<Self, CliError> {
        Self::with_mode(target, 0o600).await
    }

    async fn with_mode(target: &Path, mode: u32) -> Result<Self, CliError> {
        let path = target.to_owned();
        // If the caller stops waiting, the file is dropped with the thread's answer, and the incomplete file is removed.
        run_blocking("mer-file", move || Self::open(path, mode)).await.map_err(|error| unwritten(target, error))
    }

    /// Opens the temporary file, or a target that is not a regular file. May block.
    fn open(target: PathBuf, mode: u32) -> io::Result<Self> {
        let found = fs::metadata(&target).ok();
        if found.as_ref().is_some_and(|found| !found.is_file()) {
            let stream = Stream::new(mer_files::open_output(&target)?.into());
            return Ok(Self { stream, target, temporary: None });
        }
        let mut name = target.clone().into_os_string();
        name.push(format!(".mer-{}", std::process::id()));
        let temporary = PathBuf::from(name);
        let file = mer_files::internal().write().create(mode).truncate().open(&temporary)?;
        if let Some(found) = found {
            // Keeps the permissions of the existing file. Fails harmlessly on a file system without modes.
            let _ = file.set_permissions(found.permissions());
        }
        let stream = Stream::new(file.into());
        Ok(Self { stream, target, temporary: Some(temporary) })
    }

    /// Waits until everything is written; with `commit` the file gets its name, otherwise it is removed.
    pub(super) async fn finish(mut self, commit: bool) -> Result<(), CliError> {
        self.write_rest().await.map_err(|error| self.failed(error))?;
        let Some(temporary) = self.temporary.as_deref().filter(|_| commit) else { return Ok(()) };
        fs::rename(temporary, &self.target).map_err(|error| self.failed(error))?;
        self.temporary = None;
        Ok(())
    }

    async fn write_rest(&mut self) -> io::Result<()> {
        self.stream.take_rest()?.finish().await
    }

    /// Writes the next chunk.
    pub(super) async fn put(&mut self, chunk: Bytes) -> Result<(), CliError> {
        self.stream.put(chunk).await.map_err(|error| self.failed(error))
    }

    /// Returns the error of a failed write. The reader of a fifo may have gone.
    fn failed(&self, error: io::Error) -> CliError {
        if error.kind() == io::ErrorKind::BrokenPipe { write_error(error) } else { unwritten(&self.target, error) }
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // A failed run leaves no incomplete file.
            let _ = fs::remove_file(temporary);
        }
    }
}

fn unwritten(target: &Path, error: io::Error) -> CliError {
    CliError::io(format!("cannot write the output file `{}`", target.display()), error)
}
