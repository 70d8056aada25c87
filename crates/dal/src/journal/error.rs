//! Errors of the access journal.

use std::{io, path::PathBuf};

use mer_core::{Classified, FailureKind, Shortage};
use thiserror::Error;

/// A failed operation on the journal. If the start of a run cannot be recorded, the run must not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The folder or a segment could not be created.
    #[error("cannot create the access journal `{path}`")]
    Create {
        /// The folder or file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A record could not be written.
    #[error("cannot write the access journal `{path}`")]
    Write {
        /// The segment.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The records were written, but may not be on disk.
    #[error("cannot sync the access journal `{path}` to disk")]
    Sync {
        /// The segment.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A segment, or a file beside it, could not be read or removed.
    #[error("cannot read the access journal `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// An access could not be encoded as a line.
    #[error("an access cannot be written as JSON")]
    Encode {
        /// The error of the encoder.
        source: serde_json::Error,
    },
    /// The thread that syncs the journal to disk could not be started, or has ended.
    #[error("the thread of the access journal could not be started, or has ended")]
    Thread {
        /// The error of the system.
        source: io::Error,
    },
}

impl JournalError {
    /// Returns why it failed, in the system's words.
    pub(crate) fn reason(&self) -> String {
        std::error::Error::source(self).map_or_else(|| self.to_string(), ToString::to_string)
    }
}

impl Classified for JournalError {
    fn failure_kind(&self) -> FailureKind {
        Shortage::of(self).map_or(FailureKind::Io, Shortage::failure_kind)
    }
}
