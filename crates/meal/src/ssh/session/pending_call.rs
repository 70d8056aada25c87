//! Calls of libssh2 that could not be finished.
//!
//! A call that returns EAGAIN may have left half a packet behind. It must be repeated before any other call on the session.

use ssh2::{BlockDirections, Session};

/// A call that may have left half a packet behind: it must be finished before any other on the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PendingCall {
    Start,
    Write,
    Eof,
    Read { errors: bool },
    Wait,
    Close,
}

/// Why a context stopped.
#[derive(Debug)]
pub(super) enum Halt {
    /// This call must be repeated, once the socket takes more, before any other.
    Pending(PendingCall),
    Dead(String),
}

/// What a context may use.
pub(super) struct CallContext<'a> {
    pub(super) session: &'a Session,
    pub(super) scratch: &'a mut [u8],
    /// Whether the socket takes a small packet whole.
    pub(super) writable: &'a mut dyn FnMut() -> bool,
    /// Whether what has come has been taken in, to the last packet. A call that waits for one packet stops at it, and what
    /// came in the same read stays in libssh2's buffer, where no poll sees it: after such a call this is false.
    pub(super) pumped: &'a mut bool,
}

/// After EAGAIN: half a packet of ours in the socket's way, or only nothing to do.
pub(super) fn unfinished(context: &CallContext<'_>, call: PendingCall) -> Result<(), Halt> {
    match context.session.block_directions() {
        BlockDirections::Outbound | BlockDirections::Both => Err(Halt::Pending(call)),
        BlockDirections::None | BlockDirections::Inbound => Ok(()),
    }
}
