//! What the thread has to repeat, and why its work stopped.

use crate::ssh::session::pending_call::{Halt, PendingCall};

/// What is stuck with half a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    Open,
    Channel(u64, PendingCall),
}

/// Why work stopped.
pub(super) enum WorkStop {
    Unfinished(Unfinished),
    Dead(String),
}

impl WorkStop {
    pub(super) fn of(id: u64, halt: Halt) -> Self {
        match halt {
            Halt::Pending(call) => Self::Unfinished(Unfinished::Channel(id, call)),
            Halt::Dead(detail) => Self::Dead(detail),
        }
    }
}
