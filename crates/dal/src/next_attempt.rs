//! The attempt that follows a detached run whose job was put back into the queue of its cluster.

use std::time::Duration;

use mer_core::{Access, DetachedRun};

/// An attempt that goes on record when the one before it is closed.
#[derive(Debug, Clone)]
pub struct NextAttempt {
    /// The run. Its times are ignored.
    pub run: DetachedRun,
    /// How soon it is to be collected, by the clock of the database.
    pub lasts: Duration,
    /// The start of its access.
    pub access: Access,
}
