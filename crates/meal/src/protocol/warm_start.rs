//! The start of a process that stays up, to its ready token.

use std::sync::Arc;

use mer_core::{Bounds, RunSpec};
use tokio::time::sleep;

use super::{StderrHook, deadline::until, recheck::recheck_time, warm::WarmProcess};
use crate::{BoundName, Cancel, CancelLevel, EndCause, Executor, RequestEnd, WarmError};

impl WarmProcess {
    /// Starts a process and waits until it is ready; without a ready token it is ready at once. `hook` sees stderr as it
    /// comes, for the life of the process.
    ///
    /// # Errors
    /// The process could not be started, ended or was too slow before it was ready, or was cancelled. The start may be
    /// tried again.
    pub async fn start(
        executor: &Executor,
        spec: &RunSpec,
        hook: Option<StderrHook>,
        cancel: &Cancel,
    ) -> Result<Self, WarmError> {
        // Connecting to another machine may take a while.
        let run = tokio::select! {
            biased;
            run = executor.start(spec) => run?,
            () = cancel.reached(CancelLevel::Cancel) => return Err(not_ready(RequestEnd::uncounted(EndCause::Cancelled))),
        };
        let begin = run.started_at;
        let mut process = Self::new(run, spec, hook);
        let Some(token) = &spec.tokens.ready else { return Ok(process) };
        let Bounds { ready_timeout, start_timeout, .. } = spec.bounds;
        let start_deadline = start_timeout.deadline(begin);
        let last_output = Arc::clone(&process.last_output);
        let (control, pipes) = (&process.control, &mut process.pipes);
        let mut due = None;
        let mut cause = tokio::select! {
            biased;
            ready = pipes.ready(token, &last_output) => (!ready).then_some(EndCause::Died),
            () = cancel.reached(CancelLevel::Cancel) => Some(EndCause::Cancelled),
            silent_at = last_output.silence(ready_timeout) => {
                due = silent_at;
                Some(EndCause::timeout(BoundName::ReadyTimeout, ready_timeout))
            }
            () = until(start_deadline) => {
                due = start_deadline;
                Some(EndCause::timeout(BoundName::StartTimeout, start_timeout))
            }
            () = control.ended() => Some(EndCause::Died),
        };
        if let (Some(EndCause::Timeout { .. }), Some(due)) = (&cause, due)
            && let Some(time) = recheck_time(due, || control.has_ended() || pipes.stdout.available() > 0)
        {
            cause = tokio::select! {
                biased;
                ready = pipes.ready(token, &last_output) => (!ready).then_some(EndCause::Died),
                () = cancel.reached(CancelLevel::Now) => cause,
                () = sleep(time) => if control.has_ended() { Some(EndCause::Died) } else { cause },
            };
        }
        process.start = begin.elapsed();
        let Some(cause) = cause else { return Ok(process) };
        let exit = if cause == EndCause::Died { process.reap().await } else { process.terminate(cancel).await };
        let (stderr_tail, stderr_bytes) = process.stderr.take();
        let start = begin.elapsed();
        let (lost, job_end) = (process.control.why_lost(), process.control.job_end());
        Err(not_ready(RequestEnd {
            exit,
            lost,
            job_end,
            stderr_bytes,
            stderr_tail,
            start,
            ..RequestEnd::uncounted(cause)
        }))
    }
}

fn not_ready(end: RequestEnd) -> WarmError {
    WarmError::NotReady(Box::new(end))
}
