//! The orderly end of a process that stays up: it is asked to exit, and what it still prints is checked.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mer_core::{Bound, Exit};
use tokio::sync::mpsc;

use super::{deadline::until, termination::LINGER, warm::WarmProcess};
use crate::{Cancel, CancelLevel, EndCause, RequestEnd};

/// How long a process may take to exit when asked, before it gets TERM, unless its grace period is shorter.
const EXIT_WAIT: Duration = Duration::from_secs(2);

impl WarmProcess {
    /// Sends the only request of a process that is not used again: as [`WarmProcess::request`], and then the process ends.
    ///
    /// After the reply its stdin is closed and its output is read to the end, for the grace period: another line means that
    /// the reply may not have been the answer. A request that is given up ends the process at once (TERM, the grace period,
    /// KILL), without draining.
    pub async fn last_request(
        &mut self,
        payload: &[u8],
        out: &mpsc::Sender<Bytes>,
        bound: Bound,
        cancel: &Cancel,
    ) -> RequestEnd {
        self.reusable = false;
        self.request(payload, out, bound, cancel).await
    }

    /// Ends the process after the whole reply to its last request.
    pub(super) async fn conclude(&mut self, cancel: &Cancel) -> EndCause {
        let grace = self.grace;
        let (exited, rest) = self.ask_to_exit(grace, cancel).await;
        if let Err(what) = rest {
            return EndCause::ProtocolBroken(what);
        }
        if !exited {
            let cancelled = cancel.level() != CancelLevel::None;
            if self.unmarked && !cancelled {
                tracing::warn!(
                    "`{}` has no readyToken and did not exit within {} after its input was closed: whether its line was \
                     the answer cannot be known",
                    self.name,
                    Bound::After(grace)
                );
            }
            self.terminate(cancel).await;
        }
        EndCause::Done
    }

    /// Asks the process to exit (exit token, end of file), then TERM to its group, the grace period, and KILL. Returns how
    /// it ended, if it did.
    pub async fn stop(mut self, grace: Duration, cancel: &Cancel) -> Option<Exit> {
        self.grace = grace;
        let unusable = self.fault.is_some();
        let (exited, rest) = self.ask_to_exit(grace.min(EXIT_WAIT), cancel).await;
        if let (false, Err(what)) = (unusable, rest) {
            tracing::warn!("`{}`: {what}; its answers may belong to other requests", self.name);
        }
        if exited {
            return self.reap_now().await;
        }
        self.terminate(cancel).await
    }

    /// Sends the exit token and the end of file, and reads what the process still prints. Returns whether it has exited, and
    /// what it printed without a request.
    async fn ask_to_exit(&mut self, bound: Duration, cancel: &Cancel) -> (bool, Result<(), String>) {
        self.fault = Some(EndCause::Died);
        if let (Some(stdin), Some(exit)) = (&mut self.pipes.stdin, &self.tokens.exit) {
            // It fits, because the pipe is empty. If it does not, the end of file has the same meaning.
            let _ = stdin.try_write(format!("{exit}\n").as_bytes());
        }
        self.pipes.stdin = None;
        let mut deadline = Instant::now().checked_add(bound);
        let (mut ended, mut at_eof) = (self.control.has_ended(), false);
        while !(ended && at_eof) {
            let (pipes, control) = (&mut self.pipes, &self.control);
            tokio::select! {
                biased;
                rest = pipes.read_to_end(), if !at_eof => match rest {
                    Ok(()) => at_eof = true,
                    Err(what) => return (ended, Err(what)),
                },
                () = control.ended(), if !ended => {
                    ended = true;
                    // A child that still holds the pipes gets less time than the process itself.
                    let linger = Instant::now() + LINGER;
                    deadline = Some(deadline.map_or(linger, |deadline| deadline.min(linger)));
                }
                () = cancel.reached(CancelLevel::Cancel) => break,
                () = until(deadline) => break,
            }
        }
        let ended = ended || self.control.has_ended();
        (ended, self.pipes.check_idle().map(drop))
    }
}
