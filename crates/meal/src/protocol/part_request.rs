//! A part of a batch on a process that stays up, from its first item to the end that is recorded.

use std::time::{Duration, Instant};

use tokio::{task::yield_now, time::sleep};

use super::{
    deadline::{sooner, until},
    part::{PartEnd, PartRequest},
    part_exchange::PartResult,
    part_progress::PartProgress,
    recheck::recheck_time,
    termination::LINGER,
    warm::WarmProcess,
};
use crate::{Cancel, CancelLevel, EndCause};

/// How long a process has to be quiet after its first reply: a second line would shift all further replies by one.
const FIRST_QUIET: Duration = Duration::from_millis(10);
/// The same after the last reply of a part: this many times the mean time of an item, within these bounds.
const QUIET_ITEMS: u32 = 3;
const MIN_QUIET: Duration = Duration::from_micros(30);
const MAX_QUIET: Duration = Duration::from_millis(50);
/// The clock of the runtime is not finer.
const TICK: Duration = Duration::from_millis(1);

/// What ended the wait for replies.
enum Event {
    Exchange(PartResult),
    Deadline,
    Cancelled,
    Exited,
}

impl WarmProcess {
    /// Sends items, several ahead of their replies, and passes each whole reply on. The first item of a process that has not
    /// answered before goes alone. The part ends when the items do and all of them were answered.
    ///
    /// `cancel` ends feeding at its first level: what was sent is answered. At its second level, after an item that took
    /// too long, and after any other output than the replies, the process is ended.
    pub async fn request_part(&mut self, mut request: PartRequest<'_>, cancel: &Cancel) -> PartEnd {
        let begin = Instant::now();
        // Diagnostics from between two requests belong to neither.
        let _ = self.stderr.take();
        let unusable = self.check_idle();
        let pipes = &self.pipes;
        let mut part = PartProgress::new(&pipes.framing, pipes.mid_line, request.pipeline, !self.has_answered);
        let cause = match unusable {
            Some(cause) => cause,
            None => self.exchange_part(&mut part, &mut request, cancel).await,
        };
        let run = begin.elapsed();
        if matches!(cause, EndCause::ProtocolBroken(_)) {
            self.fault = Some(cause.clone());
            self.control.terminate();
        }
        let bytes = (part.stdin_bytes(&self.pipes.framing), part.stdout_bytes);
        let end = self.request_end(cause, (begin, run), bytes).await;
        PartEnd { end, sent: part.sent(), answered: part.answered }
    }

    async fn exchange_part(
        &mut self,
        part: &mut PartProgress,
        request: &mut PartRequest<'_>,
        cancel: &Cancel,
    ) -> EndCause {
        let bound = request.timeout;
        let mut exited = false;
        let mut awaited = CancelLevel::Cancel;
        let mut late = None;
        loop {
            let event = match late.take() {
                Some(event) => event,
                None => {
                    // The bound of an item that is sent later runs out later.
                    let due = part.due(bound).or_else(|| bound.deadline(Instant::now()));
                    let wait = if exited { Some(sooner(due, LINGER)) } else { due };
                    self.next_part_event(part, request, wait, cancel, awaited, exited).await
                }
            };
            match event {
                Event::Exchange(PartResult::Over) => {
                    return self.part_complete(part, awaited == CancelLevel::Now).await;
                }
                Event::Exchange(PartResult::First) => {
                    self.has_answered = true;
                    part.widen();
                    if let Err(what) = self.quiet_for(FIRST_QUIET).await {
                        return EndCause::ProtocolBroken(what);
                    }
                }
                Event::Exchange(PartResult::Broken(what)) => return EndCause::ProtocolBroken(what),
                Event::Exchange(PartResult::Closed) => {
                    self.fault = Some(EndCause::Died);
                    return EndCause::Died;
                }
                Event::Exchange(PartResult::ReaderGone) => {
                    self.terminate(cancel).await;
                    return EndCause::ReaderGone;
                }
                Event::Cancelled if awaited == CancelLevel::Cancel => {
                    awaited = CancelLevel::Now;
                    part.end_feeding(false);
                }
                Event::Cancelled => {
                    self.terminate(cancel).await;
                    return EndCause::Cancelled;
                }
                // The output that is in the pipe already may have whole replies.
                Event::Exited => {
                    (exited, self.fault) = (true, Some(EndCause::Died));
                    part.end_feeding(true);
                }
                Event::Deadline if exited => {
                    self.control.kill();
                    if self.pipes.stdout.available() == 0 {
                        return EndCause::Died;
                    }
                }
                Event::Deadline => match part.due(bound).filter(|due| *due <= Instant::now()) {
                    None => {}
                    Some(due) => {
                        late = self.late_event(part, request, due, cancel).await;
                        if late.is_none() {
                            self.terminate(cancel).await;
                            return self.timed_out(bound);
                        }
                    }
                },
            }
        }
    }

    /// Checks pipes and exit once more for an item whose bound ran out at `due`. Returns what happened, if anything did.
    async fn late_event(
        &mut self,
        part: &mut PartProgress,
        request: &mut PartRequest<'_>,
        due: Instant,
        cancel: &Cancel,
    ) -> Option<Event> {
        let time = recheck_time(due, || self.control.has_ended() || self.pipes.stdout.available() > 0)?;
        let (answered, until) = (part.answered, Some(Instant::now() + time));
        match self.next_part_event(part, request, until, cancel, CancelLevel::Now, false).await {
            Event::Deadline if part.answered == answered => None,
            Event::Cancelled => None,
            event => Some(event),
        }
    }

    async fn next_part_event(
        &mut self,
        part: &mut PartProgress,
        request: &mut PartRequest<'_>,
        deadline: Option<Instant>,
        cancel: &Cancel,
        level: CancelLevel,
        exited: bool,
    ) -> Event {
        let (pipes, control, is_new) = (&mut self.pipes, &self.control, !self.has_answered);
        tokio::select! {
            biased;
            result = pipes.drive_part(part, request.items, request.replies, is_new) => Event::Exchange(result),
            () = control.ended(), if !exited => Event::Exited,
            () = cancel.reached(level) => Event::Cancelled,
            () = until(deadline) => Event::Deadline,
        }
    }

    /// Checks that nothing comes after the last reply. On `lines`, another line would mean that replies were shifted. A process
    /// that takes no item at all is dead, also where it lives on with a closed stdin.
    async fn part_complete(&mut self, part: &PartProgress, was_cancelled: bool) -> EndCause {
        if part.is_unsent() && !was_cancelled {
            self.fault = Some(EndCause::Died);
            return EndCause::Died;
        }
        let quiet = (part.pace() * QUIET_ITEMS).clamp(MIN_QUIET, MAX_QUIET);
        let is_quiet = match part.answered > 0 && self.fault.is_none() {
            true => self.quiet_for(quiet).await,
            false => self.pipes.check_after_reply(),
        };
        match is_quiet {
            Ok(()) => EndCause::Done,
            Err(what) => EndCause::ProtocolBroken(what),
        }
    }

    /// Waits whether the process prints something that it was not asked for. Noise of `token` is none.
    async fn quiet_for(&mut self, time: Duration) -> Result<(), String> {
        if !self.pipes.framing.is_lines() {
            return self.pipes.check_after_reply();
        }
        let begin = Instant::now();
        while self.pipes.check_idle()? {
            let left = time.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            if left < TICK {
                yield_now().await;
            } else {
                sleep(TICK).await;
            }
        }
        // It has closed its stdout.
        self.fault = Some(EndCause::Died);
        Ok(())
    }
}
