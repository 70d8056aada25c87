//! Gives a job back after a process.

use std::fmt;

/// Gives the job back that a process has had, for another process. Dropping it ends the job.
pub(super) struct GiveBack(Box<dyn FnOnce() + Send + Sync>);

impl GiveBack {
    /// `give_back` owns the job.
    pub(super) fn new(give_back: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Box::new(give_back))
    }

    /// Gives the job back.
    pub(super) fn give_back(self) {
        (self.0)();
    }
}

impl fmt::Debug for GiveBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GiveBack")
    }
}
