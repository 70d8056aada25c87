//! What can go wrong with the journal.

use std::{io, path::PathBuf};

use mer_core::{Classified, FailureKind, Shortage};
use thiserror::Error;

/// An operation on the journal that failed. After a failed start the run must not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The folder or a segment could not be made.
    #[error("cannot create the access journal `{path}`")]
    Create {
        /// The folder or file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A record could not be written.
    #[error("cannot write the access journal `{path}`")]
    Write {
        /// The segment.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// What was written may not be on disk.
    #[error("cannot bring the access journal `{path}` to disk")]
    Sync {
        /// The segment.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A segment, or what stands beside it, could not be read or removed.
    #[error("cannot read the access journal `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// An access could not be put into a line.
    #[error("an access cannot be written as JSON")]
    Encode {
        /// The reason.
        source: serde_json::Error,
    },
    /// The thread that brings the journal to disk could not be started, or has ended.
    #[error("the thread of the access journal is not there")]
    Thread {
        /// The system's word.
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
