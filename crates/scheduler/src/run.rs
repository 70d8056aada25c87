//! Takes a request through its steps: replica, prepare, serve, record.

use std::path::Path;

use crate::{
    Outcome, Output, OutputConfirmation, Request, Scheduler, SchedulerError, attempts::Attempted,
    output_forwarding::confirm_output,
};

impl Scheduler {
    /// Runs one request. Its start is recorded before a process is started or sent anything, its end before this returns.
    ///
    /// The model's servers are tried one after the other, the one first that can serve the request soonest: the first that can
    /// be reached serves it. Each that cannot is a recorded attempt of its own, and is tried after the others for a while.
    /// Output is forwarded as it comes; `confirmation` reports whether it was written before the run is judged.
    ///
    /// # Errors
    /// [`SchedulerError`] if there was nothing to attempt. A run that was attempted and failed is an [`Outcome`].
    pub async fn run(
        &self,
        request: Request<'_>,
        output: Output,
        confirmation: OutputConfirmation,
    ) -> Result<Outcome, SchedulerError> {
        let cancel = request.cancel.clone();
        Ok(match self.attempt(request, Path::new(""), output).await? {
            Attempted::Over(outcome) => outcome,
            Attempted::Served { mut access, verdict, deadline, .. } => {
                let verdict = confirm_output(confirmation, &mut access, verdict, deadline, &cancel).await;
                self.recorder.record_end(access, verdict).await
            }
        })
    }
}
