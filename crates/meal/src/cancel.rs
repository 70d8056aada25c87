//! A cancellation token with two levels: for the first Ctrl-C, and for the second.

use std::sync::Arc;

use tokio::sync::watch;

/// How urgently a run is to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CancelLevel {
    /// Not cancelled.
    #[default]
    None,
    /// TERM, or the end of the reply, and the grace period.
    Cancel,
    /// KILL at once.
    Now,
}

/// Cancels everything that holds a clone of it. It is never reset: a new request takes a new token.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<watch::Sender<CancelLevel>>);

impl Cancel {
    /// Creates a token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests a polite end.
    pub fn cancel(&self) {
        self.raise(CancelLevel::Cancel);
    }

    /// Requests an immediate end.
    pub fn cancel_now(&self) {
        self.raise(CancelLevel::Now);
    }

    /// Raises the level by one press of Ctrl-C: polite at first, immediate from the second on.
    pub fn press(&self) {
        self.raise(if self.level() == CancelLevel::None { CancelLevel::Cancel } else { CancelLevel::Now });
    }

    /// Returns the level that was requested so far.
    #[must_use]
    pub fn level(&self) -> CancelLevel {
        *self.0.borrow()
    }

    /// Waits until at least this level is requested.
    pub async fn reached(&self, level: CancelLevel) {
        // The sender lives in `self`, so that the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|now| *now >= level).await;
    }

    fn raise(&self, level: CancelLevel) {
        self.0.send_if_modified(|now| {
            let higher = level > *now;
            *now = level.max(*now);
            higher
        });
    }
}
