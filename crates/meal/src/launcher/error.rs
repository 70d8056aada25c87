//! Processes that a remote launcher did not start.

use mer_core::{Bound, Classified, FailureKind};
use thiserror::Error;

/// Why a launcher that is remote started no process.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LauncherError {
    /// It started no shell.
    #[error("the launcher `{launcher}` started no shell: {detail}")]
    NoShell {
        /// Its program.
        launcher: String,
        /// What it printed instead.
        detail: String,
    },
    /// It started no shell in time.
    #[error("the launcher `{launcher}` started no shell within {after}")]
    Late {
        /// Its program.
        launcher: String,
        /// The bound.
        after: Bound,
    },
    /// It passes no input to its command.
    #[error(
        "the launcher `{launcher}` passes no input to its command: `kubectl exec` and `docker exec` need `-i` for that"
    )]
    NoInput {
        /// Its program.
        launcher: String,
    },
    /// Two calls of it do not lead to the same place.
    #[error(
        "two calls of the launcher `{launcher}` lead to two places, so that one cannot end what the other one started: {detail}"
    )]
    Apart {
        /// Its program.
        launcher: String,
        /// What differs.
        detail: String,
    },
    /// Its process would have no group of its own.
    #[error("the launcher `{launcher}`: {detail}")]
    NoGroup {
        /// Its program.
        launcher: String,
        /// Why.
        detail: String,
    },
    /// It was cut off while the process was started, which may run.
    #[error("the launcher `{launcher}` was cut off while the process was started{detail}")]
    CutOff {
        /// Its program.
        launcher: String,
        /// What it printed, after a colon; empty for nothing.
        detail: String,
    },
}

impl LauncherError {
    /// Whether another server may be tried, because nothing has run on this one.
    #[must_use]
    pub const fn started_nothing(&self) -> bool {
        !matches!(self, Self::CutOff { .. })
    }
}

impl Classified for LauncherError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::NoShell { .. } | Self::Late { .. } | Self::CutOff { .. } => FailureKind::Unreachable,
            Self::NoInput { .. } | Self::Apart { .. } | Self::NoGroup { .. } => FailureKind::Config,
        }
    }
}
