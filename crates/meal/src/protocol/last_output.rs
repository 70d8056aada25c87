//! The moment of the last output of a process that is not ready yet.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use mer_core::Bound;

use super::deadline::until;

/// When a process last wrote to stdout or stderr. Shared by the readers of both.
#[derive(Debug)]
pub(super) struct LastOutput(Mutex<Instant>);

impl LastOutput {
    /// The start of a process counts as its first output.
    pub(super) fn new(start: Instant) -> Self {
        Self(Mutex::new(start))
    }

    /// Notes that the process has written something.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns when the silence will have lasted for `bound`.
    pub(super) fn silent_at(&self, bound: Bound) -> Option<Instant> {
        bound.deadline(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the process has been silent for `bound`. Returns when that was.
    pub(super) async fn silence(&self, bound: Bound) -> Option<Instant> {
        loop {
            let due = self.silent_at(bound);
            until(due).await;
            if self.silent_at(bound) == due {
                return due;
            }
        }
    }
}
