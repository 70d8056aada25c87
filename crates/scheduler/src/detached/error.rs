//! Why a detached run could not be looked at or steered.

use mer_core::{Classified, FailureKind, with_causes};
use mer_meal::{RequestEnd, StartError};
use thiserror::Error;

use crate::remote_shell::last_stderr_line;

/// Why a detached run could not be looked at or steered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DetachedError {
    /// The server cannot be reached, or its shell could not be started.
    #[error("server `{server}` cannot be asked: {}", with_causes(.source.as_ref()))]
    Start {
        /// Name of the server.
        server: String,
        /// Why.
        source: Box<StartError>,
    },
    /// The connection was lost, or there was no answer in time.
    #[error("server `{server}` did not answer: {why}")]
    Lost {
        /// Name of the server.
        server: String,
        /// Why.
        why: String,
    },
    /// The script failed there.
    #[error("server `{server}`: {why}")]
    Refused {
        /// Name of the server.
        server: String,
        /// Why.
        why: String,
    },
    /// The caller gave it up.
    #[error("cancelled")]
    Cancelled,
}

impl DetachedError {
    /// Returns the error of a script that did not end with status 0.
    pub(super) fn of_end(server: &str, ended: &RequestEnd) -> Self {
        use mer_core::Exit;
        use mer_meal::EndCause;
        let server = server.to_owned();
        match (&ended.cause, ended.exit) {
            (EndCause::Cancelled | EndCause::ReaderGone, _) => Self::Cancelled,
            (EndCause::Done, Some(exit @ (Exit::Code(_) | Exit::Signal(_)))) => {
                let why = last_stderr_line(ended).unwrap_or_else(|| format!("its shell {exit}"));
                Self::Refused { server, why }
            }
            (cause, _) => {
                let why = ended.lost.clone().unwrap_or_else(|| cause.to_string());
                Self::Lost { server, why }
            }
        }
    }
}

impl Classified for DetachedError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Start { source, .. } => source.failure_kind(),
            Self::Lost { .. } => FailureKind::Unreachable,
            Self::Refused { .. } => FailureKind::Io,
            Self::Cancelled => FailureKind::Cancelled,
        }
    }
}
