//! Why a process got no units.

use std::{io, path::PathBuf};

use mer_core::{Bound, Classified, FailureKind, Shortage};
use mer_files::{LockError, is_not_private};
use thiserror::Error;

use super::shared::SharedLimitsError;

/// Why a process got no units.
#[derive(Debug, Error)]
pub(crate) enum LimitError {
    /// As many starts of the model wait as are allowed.
    #[error("{queued} requests wait")]
    Full {
        /// How many wait.
        queued: usize,
    },
    /// The bound on the wait ran out.
    #[error("`queueTimeout` ran out after {bound}: {what} of `{pool}` was waited for{}", because(unshared.as_deref()))]
    TimedOut {
        /// The units.
        what: String,
        /// The machine that has them.
        pool: String,
        /// The bound.
        bound: Bound,
        /// Why units could not be claimed in the database at last.
        unshared: Option<String>,
    },
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// It cannot be found out whether they are free.
    #[error(transparent)]
    Unknown(#[from] LimitsError),
}

/// Why it cannot be found out whether units are free.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// The files cannot be locked.
    #[error("the locks of resources in `{}` cannot be used", folder.display())]
    Locks {
        /// Their folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The units cannot be claimed in the database.
    #[error(transparent)]
    Shared(#[from] SharedLimitsError),
}

/// Returns the end of the sentence about a wait that the database has prolonged.
fn because(unshared: Option<&str>) -> String {
    unshared.map_or_else(String::new, |why| format!(", and it could not be claimed in the database: {why}"))
}

impl Classified for LimitsError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            // Others could take the units away, or hold them.
            Self::Locks { source, .. } if is_not_private(source) => FailureKind::Refused,
            Self::Locks { .. } => Shortage::of(self).map_or(FailureKind::Io, Shortage::failure_kind),
            Self::Shared(error) => error.kind,
        }
    }
}

/// A failure while locks are tried, before it is known which folder they are in.
#[derive(Debug)]
pub(super) enum LockFailure {
    Io(io::Error),
    Full { queued: usize },
}

impl LockFailure {
    pub(super) fn in_folder(self, folder: &std::path::Path) -> LimitError {
        match self {
            Self::Io(source) => LimitsError::Locks { folder: folder.to_owned(), source }.into(),
            Self::Full { queued } => LimitError::Full { queued },
        }
    }
}

impl From<io::Error> for LockFailure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<LockError> for LockFailure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::NotStarted(error) => Self::Io(mer_core::not_started(error)),
            LockError::Lock(error) => Self::Io(error),
        }
    }
}
