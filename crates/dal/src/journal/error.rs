//! Errors of the journal.

use std::{io, path::PathBuf};

use mer_core::{ExitCode, Shortage};
use thiserror::Error;

use crate::remedy::disk_hint;

/// An operation on the journal failed. After a failed start the run must not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The folder or a segment could not be created.
    #[error("cannot create the access journal `{path}`")]
    Create {
        /// The folder or file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A record could not be written.
    #[error("cannot write the access journal `{path}`")]
    Write {
        /// The segment.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Written records may not be on disk.
    #[error("cannot sync the access journal `{path}` to disk")]
    Sync {
        /// The segment.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A segment, or a file beside it, could not be read or removed.
    #[error("cannot read the access journal `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// An access could not be encoded.
    #[error("an access cannot be written as JSON")]
    Encode {
        /// The reason.
        source: serde_json::Error,
    },
    /// The thread that syncs the journal to disk could not be started, or has ended.
    #[error("the thread of the access journal could not be started, or has ended")]
    Thread {
        /// Error of the system.
        source: io::Error,
    },
}

impl JournalError {
    /// The exit code of a command that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        Shortage::of(self).map_or(ExitCode::IO, Shortage::exit_code)
    }

    /// Returns the cause as text.
    pub(crate) fn reason(&self) -> String {
        std::error::Error::source(self).map_or_else(|| self.to_string(), ToString::to_string)
    }

    /// What a person may do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        disk_hint(self)
    }
}
