//! `oneshot`: one process for each request. The input ends with end of file, all of stdout is the reply, and the exit status
//! decides whether it succeeded.

use std::{
    io,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use mer_core::Bounds;
use tokio::time::{sleep_until, timeout};

use super::{
    Input, SentHook, Sinks,
    stderr_drain::StderrDrain,
    stdout_pump::{Carried, StdoutPump},
    termination::{Stage, Termination, reap},
};
use crate::{BoundName, Cancel, CancelLevel, EndCause, RequestEnd, Run, StdinPipe};

/// How long the receiver of the output may take for what is left of it, once a run was given up.
const REST_WAIT: Duration = Duration::from_millis(250);

/// Runs a process to its end. All three streams are carried at once. Dropping the future kills the process group.
///
/// [`EndCause::Done`] means that the process ended by itself; `exit` has its status. A process that ends without reading
/// its input is no error.
pub async fn oneshot(run: Run, input: Input, sinks: Sinks, bounds: &Bounds, cancel: &Cancel) -> RequestEnd {
    let Run { stdin, stdout, stderr, control, started_in, .. } = run;
    let begin = Instant::now();
    let Sinks { stdout: out, sent, stderr: hook } = sinks;
    let stdin_bytes = AtomicU64::new(0);
    let (mut pump, drain) = (StdoutPump::new(stdout), StderrDrain::new(stderr, hook));
    let deadline = bounds.timeout.deadline(begin);
    let mut termination = Termination::new(control, bounds, deadline);

    let at_end = {
        let mut feed = pin!(feed(stdin, input, sent, &stdin_bytes));
        let mut carry = pin!(pump.run(&out));
        let mut stderr = pin!(drain.run());
        // Kept open if the input was cut off: end of file would tell the process that it has all of it.
        let mut cut_off = None;
        let (mut fed, mut carried, mut drained) = (false, false, false);
        while !(termination.ended && carried && drained) && termination.stage != Stage::Over {
            let wake = termination.wake();
            let level = if termination.is_requested() { CancelLevel::Now } else { CancelLevel::Cancel };
            tokio::select! {
                biased;
                how = &mut carry, if !carried => {
                    carried = true;
                    if how == Carried::ReaderGone {
                        termination.give_up(EndCause::ReaderGone);
                    }
                }
                () = &mut stderr, if !drained => drained = true,
                whole = &mut feed, if !fed => {
                    fed = true;
                    if let Err(CutOff { error, stdin }) = whole {
                        cut_off = Some(stdin);
                        termination.give_up(EndCause::InputFailed(error));
                    }
                }
                () = termination.control.ended(), if !termination.ended => termination.has_ended(),
                () = cancel.reached(level), if !termination.is_killed() => {
                    if cancel.level() == CancelLevel::Now {
                        termination.give_up(EndCause::Cancelled);
                        termination.kill();
                    } else {
                        termination.give_up_after_recheck(EndCause::Cancelled, Instant::now());
                    }
                }
                () = sleep_until(wake.unwrap_or(begin).into()), if wake.is_some() => termination.time_is_up(),
            }
        }
        drop(cut_off);
        carried
    };
    let exit = reap(&mut termination.control).await;
    let lost = termination.control.why_lost();
    let job_end = termination.control.job_end();
    drain.drain_rest();
    if !at_end && !out.is_closed() {
        termination.carry_rest(&mut pump, &out, cancel).await;
    }
    let (stderr_tail, stderr_bytes) = drain.take();
    RequestEnd {
        cause: termination.cause.unwrap_or(EndCause::Done),
        exit,
        lost,
        job_end,
        stdin_bytes: stdin_bytes.into_inner(),
        stdout_bytes: pump.bytes,
        stderr_bytes,
        stderr_tail,
        start: started_in,
        run: begin.elapsed(),
    }
}

/// An input that could not be read to its end.
struct CutOff {
    /// The error message of the system.
    error: String,
    stdin: StdinPipe,
}

/// Writes the input and closes the pipe. A model that closes its end first needs no more input.
///
/// # Errors
/// The input could not be read to its end; the pipe is still open.
async fn feed(
    mut stdin: StdinPipe,
    mut input: Input,
    mut sent: Option<SentHook>,
    count: &AtomicU64,
) -> Result<(), CutOff> {
    loop {
        let mut chunk = match &mut input {
            Input::Bytes(bytes) => std::mem::take(bytes),
            Input::Stream(stream) => match stream.recv().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => return Err(CutOff { error: error.to_string(), stdin }),
                None => Bytes::new(),
            },
        };
        if chunk.is_empty() {
            return Ok(());
        }
        while !chunk.is_empty() {
            let written: io::Result<usize> = stdin.write(&chunk).await;
            let Ok(written @ 1..) = written else { return Ok(()) };
            count.fetch_add(written as u64, Ordering::Relaxed);
            let front = chunk.split_to(written);
            if let Some(sent) = &mut sent {
                sent(front);
            }
        }
    }
}

impl Termination<'_> {
    /// Carries what is left in the pipe of a group that is dead, at the pace of the receiver, within the bounds of the run.
    async fn carry_rest(&mut self, pump: &mut StdoutPump, out: &tokio::sync::mpsc::Sender<Bytes>, cancel: &Cancel) {
        let patience = if self.cause.is_some() {
            Some(REST_WAIT)
        } else {
            // At least the minimum, even if the bound has run out by now: the run is over, and its output is here.
            self.deadline.map(|at| at.saturating_duration_since(Instant::now()).max(REST_WAIT))
        };
        let rest = async {
            tokio::select! {
                biased;
                how = pump.run_rest(out) => (how == Carried::ReaderGone).then_some(EndCause::ReaderGone),
                () = cancel.reached(CancelLevel::Cancel), if self.cause.is_none() => Some(EndCause::Cancelled),
            }
        };
        let cause = match patience {
            Some(patience) => timeout(patience, rest)
                .await
                .unwrap_or_else(|_| Some(EndCause::timeout(BoundName::Timeout, self.bounds.timeout))),
            None => rest.await,
        };
        self.cause = self.cause.take().or(cause);
    }
}
