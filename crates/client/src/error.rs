//! Why the resident could not be used.

use std::{io, path::PathBuf, time::Duration};

use mer_core::{Classified, FailureKind};
use thiserror::Error;

use crate::wire::{Declined, ErrorMessage, FrameError};

/// Why a request to the resident failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no resident: nothing listens on the socket.
    #[error("no resident is running")]
    NoResident,
    /// The socket cannot be used.
    #[error("the socket `{}` of the resident cannot be used", path.display())]
    Connect {
        /// The path of the socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket belongs to another user.
    #[error("the socket `{}` belongs to the user with the number {uid}", path.display())]
    OtherUser {
        /// The path of the socket.
        path: PathBuf,
        /// The number of the user.
        uid: u32,
    },
    /// The resident did not answer in time.
    #[error("the resident did not answer within {} s", bound.as_secs_f64())]
    NoAnswer {
        /// Maximum duration of the wait.
        bound: Duration,
    },
    /// The resident ended, or closed the connection, in the middle of a request.
    #[error("the resident is gone")]
    Gone,
    /// The run was cancelled twice, and the resident answers nothing any more.
    #[error("the resident does not answer")]
    Silent,
    /// The resident has not answered for minutes while something waited for it: it was stopped, or hangs.
    #[error("the resident has not answered for {} s: its process is stopped, or hangs", silent.as_secs())]
    Unresponsive {
        /// For how long.
        silent: Duration,
    },
    /// The resident does not run it after all, for want of a secret; no process was started.
    #[error("the connection needs a passphrase or a password that the resident cannot ask for")]
    Declined(Declined),
    /// The answer is not one of a resident.
    #[error("the resident sent an answer that cannot be read")]
    Answer {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The resident refused the request.
    #[error("{}", .0.message)]
    Refused(ErrorMessage),
}

impl From<FrameError> for ClientError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(_) | FrameError::Cut => Self::Gone,
            other => Self::Answer { source: other.into() },
        }
    }
}

impl Classified for ClientError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::NoResident | Self::NoAnswer { .. } | Self::Declined(_) => FailureKind::Busy,
            Self::Silent => FailureKind::Cancelled,
            Self::Connect { .. } => FailureKind::Io,
            Self::OtherUser { .. } => FailureKind::Refused,
            // What answers may be a resident of another version, or no resident at all.
            Self::Gone | Self::Unresponsive { .. } | Self::Answer { .. } => FailureKind::Unreachable,
            Self::Refused(message) => message.kind,
        }
    }
}
