//! One request of a process that stays up, from its first byte to the end that is recorded.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mer_core::Bound;
use tokio::sync::mpsc;

use super::{
    deadline::{sooner, until},
    recheck::recheck_time,
    termination::{LINGER, LINGER_TERM},
    warm::WarmProcess,
    warm_exchange::{Exchange, ExchangeResult},
};
use crate::{BoundName, Cancel, CancelLevel, EndCause, RequestEnd};

/// A longer wait for the rest of a reply that was given up is logged.
const QUIET_WAIT: Duration = Duration::from_millis(500);

/// What ended the wait for a reply.
enum Event {
    Exchange(ExchangeResult),
    Deadline,
    Cancelled,
    Exited,
}

impl WarmProcess {
    /// Sends a request and passes its reply on to `out` as it comes. The payload is one that [`crate::check_input`]
    /// accepts. On `lines` the reply is its line with the newline; on `token` it is the lines between the tokens.
    ///
    /// After a request that is given up (timeout, cancelled, reader gone) the output is drained for the grace period: if
    /// its reply comes to its end the process stays usable, otherwise it is killed. See [`WarmProcess::last_request`] for a
    /// process that is not used again.
    pub async fn request(
        &mut self,
        payload: &[u8],
        out: &mpsc::Sender<Bytes>,
        bound: Bound,
        cancel: &Cancel,
    ) -> RequestEnd {
        let begin = Instant::now();
        // Diagnostics from between two requests belong to neither.
        let _ = self.stderr.take();
        let unusable = self.check_idle();
        let mut exchange = Exchange::new(&self.pipes, payload);
        let cause = match unusable {
            Some(cause) => cause,
            None => self.exchange(&mut exchange, out, begin, bound, cancel).await,
        };
        let run = begin.elapsed();
        let cause = if cause == EndCause::Done && !self.reusable { self.conclude(cancel).await } else { cause };
        if matches!(cause, EndCause::ProtocolBroken(_)) {
            self.control.terminate();
        }
        let bytes = (exchange.stdin_bytes(), exchange.stdout_bytes);
        self.request_end(cause, (begin, run), bytes).await
    }

    /// Returns the end of a request or a part, once a process that is of no further use has ended. `run` is how long it took up
    /// to its last reply, and `bytes` what was written and read.
    pub(super) async fn request_end(
        &mut self,
        cause: EndCause,
        (begin, run): (Instant, Duration),
        (stdin_bytes, stdout_bytes): (u64, u64),
    ) -> RequestEnd {
        let exit = if self.fault.is_some() { self.reap().await } else { None };
        // After a whole reply the exit status says nothing about the reply.
        let exit = exit.filter(|_| cause != EndCause::Done);
        let run = if cause == EndCause::Done { run } else { begin.elapsed() };
        let (stderr_tail, stderr_bytes) = self.stderr.take();
        RequestEnd {
            exit,
            lost: self.control.why_lost(),
            job_end: self.control.job_end(),
            stdin_bytes,
            stdout_bytes,
            stderr_bytes,
            stderr_tail,
            run,
            ..RequestEnd::uncounted(cause)
        }
    }

    async fn exchange(
        &mut self,
        exchange: &mut Exchange,
        out: &mpsc::Sender<Bytes>,
        begin: Instant,
        bound: Bound,
        cancel: &Cancel,
    ) -> EndCause {
        if cancel.level() != CancelLevel::None {
            // Nothing was sent, so that no reply can come.
            if !self.reusable {
                self.terminate(cancel).await;
            }
            return EndCause::Cancelled;
        }
        let deadline = bound.deadline(begin);
        let mut exited = false;
        let cause = loop {
            let wait = if exited { Some(sooner(deadline, LINGER)) } else { deadline };
            match self.next_event(exchange, Some(out), wait, cancel, CancelLevel::Cancel, exited).await {
                Event::Exchange(ExchangeResult::Over) => return self.reply_complete(),
                Event::Exchange(ExchangeResult::Closed) => {
                    self.fault = Some(EndCause::Died);
                    return EndCause::Died;
                }
                Event::Exchange(ExchangeResult::ReaderGone) => break EndCause::ReaderGone,
                Event::Cancelled => match self.recheck(exchange, out, Instant::now(), cancel).await {
                    Some(cause) => return cause,
                    None => break EndCause::Cancelled,
                },
                // The output that is in the pipe already may be a whole reply.
                Event::Exited => (exited, self.fault) = (true, Some(EndCause::Died)),
                Event::Deadline if exited && deadline.is_none_or(|at| Instant::now() < at) => {
                    self.control.kill();
                    if !self.pipes.has_more(exchange) {
                        return EndCause::Died;
                    }
                }
                Event::Deadline => {
                    let due = deadline.unwrap_or_else(Instant::now);
                    match self.recheck(exchange, out, due, cancel).await {
                        Some(cause) => return cause,
                        None => break self.timed_out(bound),
                    }
                }
            }
        };
        if !self.reusable {
            // No other request comes, so that there is nothing to keep the process for.
            self.terminate(cancel).await;
            return cause;
        }
        // The rest of the reply must not reach the next request: all of it is read, or the process is ended.
        let drained = !exited && self.drain_reply(exchange, cancel).await;
        if !drained || self.reply_complete() != EndCause::Done {
            self.signal(LINGER_TERM, cancel).await;
        }
        cause
    }

    /// Checks pipes and exit once more for a request that was to end at `due`. Returns how it ended, if it is over after
    /// all.
    async fn recheck(
        &mut self,
        exchange: &mut Exchange,
        out: &mpsc::Sender<Bytes>,
        due: Instant,
        cancel: &Cancel,
    ) -> Option<EndCause> {
        let time = recheck_time(due, || self.control.has_ended() || self.pipes.has_more(exchange))?;
        let until = Some(Instant::now() + time);
        let mut exited = false;
        loop {
            match self.next_event(exchange, Some(out), until, cancel, CancelLevel::Now, exited).await {
                Event::Exchange(ExchangeResult::Over) => return Some(self.reply_complete()),
                // The output that is in the pipe already may be a whole reply.
                Event::Exited => exited = true,
                Event::Exchange(ExchangeResult::Closed) => break,
                _ if exited => break,
                _ => return None,
            }
        }
        self.fault = Some(EndCause::Died);
        Some(EndCause::Died)
    }

    /// Reads the rest of a reply that was given up, for the grace period. Returns whether all of it came.
    async fn drain_reply(&mut self, exchange: &mut Exchange, cancel: &Cancel) -> bool {
        let begin = Instant::now();
        for wait in [QUIET_WAIT.min(self.grace), self.grace] {
            match self.next_event(exchange, None, begin.checked_add(wait), cancel, CancelLevel::Now, false).await {
                Event::Exchange(ExchangeResult::Over) => return true,
                Event::Deadline if wait < self.grace => tracing::warn!(
                    "`{}` is still working on the request that was given up: waiting up to {} for it to finish, so that the \
                     process can be kept; the next Ctrl-C ends it",
                    self.name,
                    Bound::After(self.grace)
                ),
                _ => return false,
            }
        }
        false
    }

    async fn next_event(
        &mut self,
        exchange: &mut Exchange,
        out: Option<&mpsc::Sender<Bytes>>,
        deadline: Option<Instant>,
        cancel: &Cancel,
        level: CancelLevel,
        exited: bool,
    ) -> Event {
        let (pipes, control) = (&mut self.pipes, &self.control);
        tokio::select! {
            biased;
            result = pipes.drive(exchange, out) => Event::Exchange(result),
            () = control.ended(), if !exited => Event::Exited,
            () = cancel.reached(level) => Event::Cancelled,
            () = until(deadline) => Event::Deadline,
        }
    }

    /// Checks what came together with the end of a reply. On `lines`, a second line cannot be told from the next reply.
    fn reply_complete(&mut self) -> EndCause {
        let checked = self.pipes.check_after_reply().and_then(|()| match self.reusable && self.unmarked {
            true => self.pipes.check_request_was_read(),
            false => Ok(()),
        });
        match checked {
            Ok(()) => {
                self.has_answered = true;
                EndCause::Done
            }
            Err(what) => {
                self.fault = Some(EndCause::ProtocolBroken(what.clone()));
                EndCause::ProtocolBroken(what)
            }
        }
    }

    pub(super) fn timed_out(&self, bound: Bound) -> EndCause {
        let no_reply = Some(self.pipes.framing.protocol());
        EndCause::Timeout { bound: BoundName::Timeout, after: bound.duration().unwrap_or_default(), no_reply }
    }
}
