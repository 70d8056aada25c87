//! What the thread has to repeat, and why its work stopped.

use crate::ssh::session::pending_call::{Halt, PendingCall};

/// The call that left half a packet behind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    Open,
    Channel(u64, PendingCall),
}

/// Why the work stopped.
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
