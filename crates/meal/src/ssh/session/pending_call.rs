//! Calls of libssh2 that could not be finished.
//!
//! A call that returns EAGAIN may have left half a packet behind. It must be repeated before any other call on the
//! session.

use ssh2::{BlockDirections, Session};

/// A call that is to be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PendingCall {
    Start,
    Write,
    Eof,
    Read { errors: bool },
    Wait,
    Close,
}

/// Why the calls on a channel stopped.
#[derive(Debug)]
pub(super) enum Halt {
    /// This call must be repeated when the socket is writable, before any other.
    Pending(PendingCall),
    Dead(String),
}

/// What the calls on a channel use.
pub(super) struct CallContext<'a> {
    pub(super) session: &'a Session,
    pub(super) scratch: &'a mut [u8],
    /// Whether the socket takes a small packet whole.
    pub(super) writable: &'a mut dyn FnMut() -> bool,
    /// Whether all received packets were taken in. A call that waits for one packet stops there, and the rest stays
    /// in libssh2's buffer, where no poll sees it: after such a call this is false.
    pub(super) pumped: &'a mut bool,
}

/// Evaluates EAGAIN: either half a packet waits for the socket, or there is nothing to do.
pub(super) fn unfinished(context: &CallContext<'_>, call: PendingCall) -> Result<(), Halt> {
    match context.session.block_directions() {
        BlockDirections::Outbound | BlockDirections::Both => Err(Halt::Pending(call)),
        BlockDirections::None | BlockDirections::Inbound => Ok(()),
    }
}
