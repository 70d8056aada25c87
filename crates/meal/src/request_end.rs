//! How a request ended, and what was counted on the way.

use std::{fmt, time::Duration};

use mer_core::{Bound, Exit};

/// The name of a bound that ran out, as the registry spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoundName {
    /// From the request to the whole reply.
    Timeout,
    /// From the start to the ready token.
    ReadyTimeout,
}

impl fmt::Display for BoundName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timeout",
            Self::ReadyTimeout => "readyTimeout",
        })
    }
}

/// Why it ended. Displayed, it is a sentence for `error` in the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// The whole reply came; for `oneshot`: the process ended, and its exit is the verdict.
    Done,
    /// A bound ran out.
    Timeout {
        /// Which.
        bound: BoundName,
        /// How long it was.
        after: Duration,
        /// What is most often the reason, where there is one.
        hint: Option<&'static str>,
    },
    /// Cancelled by the caller.
    Cancelled,
    /// The reader of the output is gone.
    ReaderGone,
    /// The process ended in the middle of the request, or before it was ready.
    Died,
    /// The input could not be read to its end, so that the process was sent a part of it; the text is what the system said.
    InputFailed(String),
    /// It did what its protocol does not allow; the text says what.
    ProtocolBroken(String),
}

impl EndCause {
    /// A bound that ran out.
    #[must_use]
    pub fn timeout(bound: BoundName, after: Bound) -> Self {
        Self::Timeout { bound, after: after.duration().unwrap_or_default(), hint: None }
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
    /// How the process ended; none where it still runs.
    pub exit: Option<Exit>,
    /// Why `exit` is `Lost`, where it is: what became of the connection.
    pub lost: Option<String>,
    /// Bytes that the process was sent.
    pub stdin_bytes: u64,
    /// Bytes of output that were handed on.
    pub stdout_bytes: u64,
    /// Bytes of diagnostics since the request began (of the start, for a failed start).
    pub stderr_bytes: u64,
    /// The end of those diagnostics, at most 16 KiB.
    pub stderr_tail: Vec<u8>,
    /// Starting the process, up to its ready token; zero where it already ran.
    pub start: Duration,
    /// From the request to its end.
    pub run: Duration,
}
