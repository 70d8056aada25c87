//! The end of a process that stays up: it is asked to leave, and what it still prints is looked at.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mer_core::Bound;
use tokio::sync::mpsc;

use super::{LINGER, WarmProcess, exchange::Wire, warm::until as time};
use crate::{Cancel, CancelLevel, End, Ended};

impl WarmProcess {
    /// The only request of a process that is not kept: as [`WarmProcess::request`], and then the process ends.
    ///
    /// After the reply its stdin is closed and its output read to the end, for the grace period: a line that was not
    /// asked for means that the reply may have been no answer. A request that is given up ends the process at once (TERM, the
    /// grace period, KILL); nothing is drained for a request that will not come.
    pub async fn last_request(
        &mut self,
        payload: &[u8],
        out: &mpsc::Sender<Bytes>,
        bound: Bound,
        cancel: &Cancel,
    ) -> Ended {
        self.kept = false;
        self.request(payload, out, bound, cancel).await
    }

    /// The reply is whole, and no other request will come.
    pub(super) async fn conclude(&mut self, cancel: &Cancel) -> End {
        let grace = self.grace;
        let (left, rest) = self.leave(grace, cancel).await;
        if let Err(what) = rest {
            return End::ProtocolBroken(what);
        }
        if !left {
            let asked = cancel.level() != CancelLevel::None;
            if self.unmarked && !asked {
                tracing::warn!(
                    "`{}` has no readyToken and did not leave within {} after its input was closed: whether its line was \
                     the answer cannot be known",
                    self.name,
                    Bound::After(grace)
                );
            }
            self.terminate(cancel).await;
        }
        End::Done
    }

    /// Asks the process to leave (exit token, end of file) and reads what it still prints. Whether it has left, and what it
    /// printed without being asked.
    pub(super) async fn leave(&mut self, bound: Duration, cancel: &Cancel) -> (bool, Result<(), String>) {
        self.fault = Some(End::Died);
        if let (Some(stdin), Some(exit)) = (&mut self.wire.stdin, &self.tokens.exit) {
            // It fits: nothing else is on the way. If it does not, the end of file says the same.
            let _ = stdin.try_write(format!("{exit}\n").as_bytes());
        }
        self.wire.stdin = None;
        let mut until = Instant::now().checked_add(bound);
        let (mut ended, mut over) = (self.control.has_ended(), false);
        while !(ended && over) {
            let (wire, control) = (&mut self.wire, &self.control);
            tokio::select! {
                biased;
                rest = wire.rest(), if !over => match rest {
                    Ok(()) => over = true,
                    Err(what) => return (ended, Err(what)),
                },
                () = control.ended(), if !ended => {
                    ended = true;
                    // A child that still holds its pipes is not waited for as long as the process itself.
                    let linger = Instant::now() + LINGER;
                    until = Some(until.map_or(linger, |until| until.min(linger)));
                }
                () = cancel.reached(CancelLevel::Cancel) => break,
                () = time(until) => break,
            }
        }
        let ended = ended || self.control.has_ended();
        (ended, self.wire.between().map(drop))
    }
}

impl Wire {
    /// Reads to the end of stdout. Safe to cancel.
    ///
    /// # Errors
    /// What was printed without being asked for.
    async fn rest(&mut self) -> Result<(), String> {
        loop {
            match self.stdout.try_fill(&mut self.unread) {
                Ok(0) => return Ok(()),
                Ok(_) => self.framing.unasked(&mut self.unread, &mut self.mid_line)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stdout.readable().await.is_err() {
                        return Ok(());
                    }
                }
                Err(_) => return Ok(()),
            }
        }
    }
}
