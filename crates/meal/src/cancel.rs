//! Cancelling: a small token with two levels, for Ctrl-C and for the second Ctrl-C.

use std::sync::Arc;

use tokio::sync::watch;

/// How urgently a run is to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CancelLevel {
    /// Not at all.
    #[default]
    None,
    /// Politely: TERM, or the end of the reply, and the grace period.
    Cancel,
    /// At once: KILL.
    Now,
}

/// A token that cancels whatever was given a clone of it. It is never reset: a new request takes a new token.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<watch::Sender<CancelLevel>>);

impl Cancel {
    /// A token that nobody has used yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a polite end.
    pub fn cancel(&self) {
        self.raise(CancelLevel::Cancel);
    }

    /// Asks for an immediate end.
    pub fn cancel_now(&self) {
        self.raise(CancelLevel::Now);
    }

    /// The first call asks politely, the second does not: what Ctrl-C does.
    pub fn press(&self) {
        self.raise(if self.level() == CancelLevel::None { CancelLevel::Cancel } else { CancelLevel::Now });
    }

    /// What was asked for so far.
    #[must_use]
    pub fn level(&self) -> CancelLevel {
        *self.0.borrow()
    }

    /// Waits until at least this level was asked for.
    pub async fn reached(&self, level: CancelLevel) {
        // The sender lives in `self`, so the wait cannot end by its being dropped.
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
