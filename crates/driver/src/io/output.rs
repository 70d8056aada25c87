//! Writing a model's output: to standard output, a file, or memory. A slow reader delays the model and nothing else: blocking
//! writes happen on another thread.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use mer_service::ByteSink;

use super::{
    output_file::OutputFile,
    stream::{Stream, write_error},
};
use crate::{errors::CliError, ui::hide_status_line};

/// Maximum output in the JSON of `--json`, in bytes.
pub(crate) const JSON_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// A destination of a model's output.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Standard output or standard error.
    Stream(Stream),
    /// A file that gets its name when it is complete.
    File(OutputFile),
    /// Memory, up to [`JSON_OUTPUT_BYTES`].
    Memory(Vec<u8>),
}

/// Returns the file of `-o`, or `None` for standard output, which `-` means too.
pub(crate) fn file_for(output: Option<&PathBuf>) -> Option<&Path> {
    output.map(PathBuf::as_path).filter(|path| *path != Path::new("-"))
}

impl Sink {
    /// Returns standard output.
    pub(crate) fn stdout() -> Result<Self, CliError> {
        Stream::of(rustix::stdio::stdout()).map(Self::Stream)
    }

    /// Returns standard error.
    pub(crate) fn stderr() -> Result<Self, CliError> {
        Stream::of(rustix::stdio::stderr()).map(Self::Stream)
    }

    /// Writes the next chunk.
    ///
    /// # Errors
    /// It cannot be written (74), its reader has gone (141), or it is too long for `--json` (64).
    pub(crate) async fn put(&mut self, chunk: Bytes) -> Result<(), CliError> {
        match self {
            Self::Stream(stream) => {
                hide_status_line();
                stream.put(chunk).await.map_err(write_error)
            }
            Self::File(file) => file.put(chunk).await,
            Self::Memory(bytes) if bytes.len() + chunk.len() > JSON_OUTPUT_BYTES => {
                Err(CliError::usage("the output is longer than the 16 MiB that `--json` carries")
                    .hint("write it to a file: `-o FILE`"))
            }
            Self::Memory(bytes) => {
                bytes.extend_from_slice(&chunk);
                Ok(())
            }
        }
    }

    /// Waits until everything is written; returns the bytes in memory, if that is the destination. `commit` says whether an
    /// output file gets its name or is removed.
    ///
    /// # Errors
    /// As [`Sink::put`].
    pub(crate) async fn finish(self, commit: bool) -> Result<Vec<u8>, CliError> {
        match self {
            Self::Stream(stream) => stream.finish().await.map(|()| Vec::new()).map_err(write_error),
            Self::File(file) => file.finish(commit).await.map(|()| Vec::new()),
            Self::Memory(bytes) => Ok(bytes),
        }
    }
}

impl ByteSink for Sink {
    type Error = CliError;

    async fn write(&mut self, chunk: Bytes) -> Result<(), CliError> {
        self.put(chunk).await
    }
}
