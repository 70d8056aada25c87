//! `oneshot`: one process for one request. The input, then end of file; all of stdout is the reply, the exit the verdict.

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
    Input, KILL_WAIT, LINGER, LINGER_TERM, SentHook, Sinks,
    look::look,
    pump::{Carried, OutPump},
    stderr::ErrDrain,
};
use crate::{BoundName, Cancel, CancelLevel, Control, End, Ended, Run, StdinPipe};

/// How long, once a run has been given up, whoever takes the output may take for what is left of it.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Runs a process to its end. All streams flow at once. The future may be dropped: that kills the process group.
///
/// [`End::Done`] means that the process ended by itself; its exit says how. A process that ends without reading its
/// input is no error.
pub async fn oneshot(run: Run, input: Input, sinks: Sinks, bounds: &Bounds, cancel: &Cancel) -> Ended {
    let Run { stdin, stdout, stderr, control, started_in, .. } = run;
    let begin = Instant::now();
    let Sinks { stdout: out, sent, stderr: hook } = sinks;
    let stdin_bytes = AtomicU64::new(0);
    let (mut pump, drain) = (OutPump::new(stdout), ErrDrain::new(stderr, hook));
    let deadline = bounds.timeout.deadline(begin);
    let stage = Stage::Running;
    let mut course = Course { control, bounds, deadline, cause: None, doubt: None, stage, ended: false };

    let at_end = {
        let mut feed = pin!(feed(stdin, input, sent, &stdin_bytes));
        let mut carry = pin!(pump.run(&out));
        let mut stderr = pin!(drain.run());
        // Held open where the input was cut: its end would say that this was all of it.
        let mut cut_off = None;
        let (mut fed, mut carried, mut drained) = (false, false, false);
        while !(course.ended && carried && drained) && course.stage != Stage::Over {
            let wake = course.wake();
            let asked = if course.is_asked() { CancelLevel::Now } else { CancelLevel::Cancel };
            tokio::select! {
                biased;
                how = &mut carry, if !carried => {
                    carried = true;
                    if how == Carried::ReaderGone {
                        course.give_up(End::ReaderGone);
                    }
                }
                () = &mut stderr, if !drained => drained = true,
                whole = &mut feed, if !fed => {
                    fed = true;
                    if let Err(Cut { said, stdin }) = whole {
                        cut_off = Some(stdin);
                        course.give_up(End::InputFailed(said));
                    }
                }
                () = course.control.ended(), if !course.ended => course.has_ended(),
                () = cancel.reached(asked), if !course.is_killed() => {
                    if cancel.level() == CancelLevel::Now {
                        course.give_up(End::Cancelled);
                        course.kill();
                    } else {
                        course.doubt(End::Cancelled, Instant::now());
                    }
                }
                () = sleep_until(wake.unwrap_or(begin).into()), if wake.is_some() => course.time_is_up(),
            }
        }
        drop(cut_off);
        carried
    };
    course.control.end_strays().await;
    let exit = course.control.finish();
    let lost = course.control.why_lost();
    drain.rest();
    if !at_end && !out.is_closed() {
        course.last_words(&mut pump, &out, cancel).await;
    }
    let (stderr_tail, stderr_bytes) = drain.take();
    Ended {
        end: course.cause.unwrap_or(End::Done),
        exit,
        lost,
        stdin_bytes: stdin_bytes.into_inner(),
        stdout_bytes: pump.bytes,
        stderr_bytes,
        stderr_tail,
        start: started_in,
        run: begin.elapsed(),
    }
}

/// An input that could not be read to its end.
struct Cut {
    /// What the system said.
    said: String,
    stdin: StdinPipe,
}

/// Writes the input, then closes. A model that closes its end first has had enough.
///
/// # Errors
/// The input could not be read to its end; the pipe is still open.
async fn feed(
    mut stdin: StdinPipe,
    mut input: Input,
    mut sent: Option<SentHook>,
    count: &AtomicU64,
) -> Result<(), Cut> {
    loop {
        let mut chunk = match &mut input {
            Input::Bytes(bytes) => std::mem::take(bytes),
            Input::Stream(stream) => match stream.recv().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => return Err(Cut { said: error.to_string(), stdin }),
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

/// Where the life of the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// It ended; somebody of its group holds a pipe, and gets TERM at this time.
    Lingering(Instant),
    /// TERM was sent; KILL at this time.
    Terminating(Instant),
    /// KILL was sent; no more waiting after this time.
    Killed(Instant),
    /// Nothing is waited for any more.
    Over,
}

/// Decides who gets which signal, and when.
struct Course<'a> {
    control: Control,
    bounds: &'a Bounds,
    deadline: Option<Instant>,
    /// Why it was given up, where it was.
    cause: Option<End>,
    /// Why it will be given up at this time, unless pipes and exit say until then that it is over.
    doubt: Option<(Instant, End)>,
    stage: Stage,
    /// The process itself has ended; its group may not have.
    ended: bool,
}

impl Course<'_> {
    fn wake(&self) -> Option<Instant> {
        let doubt = self.doubt.as_ref().map(|(at, _)| *at);
        match self.stage {
            Stage::Running => doubt.or(self.deadline),
            Stage::Lingering(at) => Some(doubt.map_or(at, |doubt| doubt.min(at))),
            Stage::Terminating(at) | Stage::Killed(at) => Some(at),
            Stage::Over => None,
        }
    }

    /// Whether the end has been asked for already.
    const fn is_asked(&self) -> bool {
        self.cause.is_some() || self.doubt.is_some()
    }

    const fn is_killed(&self) -> bool {
        matches!(self.stage, Stage::Killed(_) | Stage::Over)
    }

    fn has_ended(&mut self) {
        self.ended = true;
        // One that has ended by itself was no timeout, however late it was seen.
        if matches!(self.doubt, Some((_, End::Timeout { .. }))) {
            self.doubt = None;
        }
        if self.cause.is_some() {
            self.control.terminate_strays();
        }
        // One that was told to end has its grace, and so has its group.
        if self.stage == Stage::Running {
            self.stage = Stage::Lingering(Instant::now() + LINGER);
        }
    }

    /// There is a reason to end the run, since `due`: but first pipes and exit are looked at once more.
    fn doubt(&mut self, cause: End, due: Instant) {
        if self.is_asked() {
            return;
        }
        match look(due, || self.ended || self.control.has_ended()) {
            Some(look) => self.doubt = Some((Instant::now() + look, cause)),
            None => self.give_up(cause),
        }
    }

    /// Ends the run for a reason; the first one stays.
    fn give_up(&mut self, cause: End) {
        let cause = self.doubt.take().map_or(cause, |(_, first)| first);
        if self.cause.is_none() {
            self.cause = Some(cause);
            if !self.is_killed() {
                self.control.terminate();
                self.stage = Stage::Terminating(Instant::now() + self.bounds.grace);
            }
        }
    }

    fn kill(&mut self) {
        self.control.kill();
        self.stage = Stage::Killed(Instant::now() + if self.ended { LINGER_TERM } else { KILL_WAIT });
    }

    fn time_is_up(&mut self) {
        if let Some((at, cause)) = self.doubt.clone()
            && at <= Instant::now()
        {
            return self.give_up(cause);
        }
        match self.stage {
            Stage::Running => self.doubt(
                End::timeout(BoundName::Timeout, self.bounds.timeout),
                self.deadline.unwrap_or_else(Instant::now),
            ),
            Stage::Lingering(_) => {
                self.control.terminate();
                self.stage = Stage::Terminating(Instant::now() + LINGER_TERM);
            }
            Stage::Terminating(_) => self.kill(),
            Stage::Killed(_) | Stage::Over => self.stage = Stage::Over,
        }
    }

    /// What is left in the pipe of a group that is dead, at the pace of whoever takes it; but the bounds hold here too.
    async fn last_words(&mut self, pump: &mut OutPump, out: &tokio::sync::mpsc::Sender<Bytes>, cancel: &Cancel) {
        let patience = if self.cause.is_some() {
            Some(LAST_WORDS)
        } else {
            // Also where the bound ran out meanwhile: the run is over, and its output is at hand.
            self.deadline.map(|at| at.saturating_duration_since(Instant::now()).max(LAST_WORDS))
        };
        let rest = async {
            tokio::select! {
                biased;
                how = pump.rest(out) => (how == Carried::ReaderGone).then_some(End::ReaderGone),
                () = cancel.reached(CancelLevel::Cancel), if self.cause.is_none() => Some(End::Cancelled),
            }
        };
        let cause = match patience {
            Some(patience) => timeout(patience, rest)
                .await
                .unwrap_or_else(|_| Some(End::timeout(BoundName::Timeout, self.bounds.timeout))),
            None => rest.await,
        };
        self.cause = self.cause.take().or(cause);
    }
}
