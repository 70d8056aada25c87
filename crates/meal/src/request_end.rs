//! How a request ended, and what was counted meanwhile.

use std::{fmt, time::Duration};

use mer_core::{Bound, Exit, Protocol};

use crate::JobEnd;

/// The bound that ran out, as the registry spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoundName {
    /// From the request to the whole reply.
    Timeout,
    /// Without output, from the start to the ready token.
    ReadyTimeout,
    /// From the start to the ready token.
    StartTimeout,
}

impl fmt::Display for BoundName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timeout",
            Self::ReadyTimeout => "readyTimeout",
            Self::StartTimeout => "startTimeout",
        })
    }
}

/// Why a request ended. Its display text is the `error` of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// The whole reply came. For `oneshot`: the process ended, and its exit status decides about success.
    Done,
    /// A bound ran out.
    Timeout {
        /// Which bound.
        bound: BoundName,
        /// The length of the bound.
        after: Duration,
        /// The protocol of a process that stays up, where its reply did not come whole within the bound.
        no_reply: Option<Protocol>,
    },
    /// Cancelled by the caller.
    Cancelled,
    /// The receiver of the output was dropped.
    ReaderGone,
    /// The process ended in the middle of the request, or before it was ready.
    Died,
    /// The input could not be read to its end, and the process was sent a part of it. Has the error message of the
    /// system.
    InputFailed(String),
    /// The process broke its protocol. Has the description.
    ProtocolBroken(String),
}

impl EndCause {
    /// The end by a bound that ran out.
    #[must_use]
    pub fn timeout(bound: BoundName, after: Bound) -> Self {
        Self::Timeout { bound, after: after.duration().unwrap_or_default(), no_reply: None }
    }
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Timeout { bound, after, .. } => {
                write!(f, "`{bound}` ran out after {}", Bound::After(*after))
            }
            Self::Cancelled => f.write_str("cancelled"),
            Self::ReaderGone => f.write_str("the reader of the output is gone"),
            Self::Died => f.write_str("the process ended in the middle of the request"),
            Self::InputFailed(error) => write!(f, "the input could not be read to its end: {error}"),
            Self::ProtocolBroken(what) => f.write_str(what),
        }
    }
}

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestEnd {
    /// Why it ended.
    pub cause: EndCause,
    /// How the process ended. `None` if it still runs.
    pub exit: Option<Exit>,
    /// What became of the connection, if `exit` is `Lost`.
    pub lost: Option<String>,
    /// Why its job ended before it, on a cluster.
    pub job_end: Option<JobEnd>,
    /// Bytes that were written to the process.
    pub stdin_bytes: u64,
    /// Bytes of output that were passed on.
    pub stdout_bytes: u64,
    /// Bytes of stderr since the request began; of the start, for a failed start.
    pub stderr_bytes: u64,
    /// The end of stderr, at most 16 KiB.
    pub stderr_tail: Vec<u8>,
    /// How long the start of the process took, up to its ready token. Zero if it already ran.
    pub start: Duration,
    /// From the request to its end.
    pub run: Duration,
}

impl RequestEnd {
    /// Returns the end of a request for which nothing was counted.
    #[must_use]
    pub const fn uncounted(cause: EndCause) -> Self {
        Self {
            cause,
            exit: None,
            lost: None,
            job_end: None,
            stdin_bytes: 0,
            stdout_bytes: 0,
            stderr_bytes: 0,
            stderr_tail: Vec::new(),
            start: Duration::ZERO,
            run: Duration::ZERO,
        }
    }
}
