//! Why the resident could not begin.

use std::{io, path::PathBuf};

use mer_client::LocationError;
use mer_core::{Classified, FailureKind};
use thiserror::Error;

/// Why the resident could not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The folder of the socket cannot be used.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// Another resident serves this user and database.
    #[error("a resident for this database is running already")]
    Running,
    /// The lock or the socket cannot be made.
    #[error("cannot listen on the socket `{}`", path.display())]
    Listen {
        /// The path of the socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database is one that only this process has.
    #[error("a database in memory belongs to one process, and has no resident")]
    InMemory,
}

impl Classified for ServeError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Location(error) => error.failure_kind(),
            Self::Listen { .. } => FailureKind::Io,
            Self::Running => FailureKind::Busy,
            Self::InMemory => FailureKind::Usage,
        }
    }
}
