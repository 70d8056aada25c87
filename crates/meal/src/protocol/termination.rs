//! How a process is ended: the same steps, in the same order, for `oneshot` and for processes that stay up.
//!
//! | step | signal to the group | next step after |
//! |---|---|---|
//! | [`Stage::Running`] | none | the bound of the request |
//! | [`Stage::Lingering`]: it has ended, and its group holds a pipe | none | [`LINGER`] |
//! | [`Stage::Terminating`] | TERM | the grace period of the model, or [`LINGER_TERM`] after lingering |
//! | [`Stage::Killed`] | KILL | [`KILL_WAIT`] |
//! | [`Stage::Over`] | none | nothing is waited for any more |
//!
//! [`reap`] is the last step. The watcher (a local process) or the watchdog (a remote one) knows the group from its start;
//! [`Control::finish`] tells it that the group is gone, before the process number can be given to another process.

use std::time::{Duration, Instant};

use mer_core::{Bounds, Exit};
use tokio::time::sleep;

use super::{recheck::recheck_time, warm_pipes::ModelPipes};
use crate::{BoundName, Cancel, CancelLevel, Control, EndCause};

/// How long other processes may hold the pipes of a process that has ended, before they get TERM.
pub(super) const LINGER: Duration = Duration::from_millis(500);
/// From that TERM to KILL.
pub(super) const LINGER_TERM: Duration = Duration::from_millis(250);
/// How long the end of a process is waited for after KILL.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// A step of ending a process. The instant is when the next step is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Running,
    Lingering(Instant),
    Terminating(Instant),
    Killed(Instant),
    Over,
}

impl Stage {
    fn lingering() -> Self {
        Self::Lingering(Instant::now() + LINGER)
    }

    /// Sends TERM; KILL is due after `grace`.
    fn terminate(control: &Control, grace: Duration) -> Self {
        control.terminate();
        Self::Terminating(Instant::now() + grace)
    }

    /// Sends KILL. `ended`: the process itself has ended, and only its group is left.
    fn kill(control: &Control, ended: bool) -> Self {
        control.kill();
        Self::Killed(Instant::now() + if ended { LINGER_TERM } else { KILL_WAIT })
    }

    /// When the next step is due.
    const fn due(self) -> Option<Instant> {
        match self {
            Self::Lingering(at) | Self::Terminating(at) | Self::Killed(at) => Some(at),
            Self::Running | Self::Over => None,
        }
    }

    /// Takes the step that is due.
    fn advance(self, control: &Control, ended: bool) -> Self {
        match self {
            Self::Running => self,
            Self::Lingering(_) => Self::terminate(control, LINGER_TERM),
            Self::Terminating(_) => Self::kill(control, ended),
            Self::Killed(_) | Self::Over => Self::Over,
        }
    }
}

/// Ends the strays of a process that has ended, kills what is left of its group, and reaps it. Returns how it ended, if it
/// has.
pub(super) async fn reap(control: &mut Control) -> Option<Exit> {
    control.end_strays().await;
    control.finish()
}

/// Decides when a `oneshot` process gets which signal.
pub(super) struct Termination<'a> {
    pub(super) control: Control,
    pub(super) bounds: &'a Bounds,
    pub(super) deadline: Option<Instant>,
    /// Why the run was given up, if it was.
    pub(super) cause: Option<EndCause>,
    /// The run is given up for this cause at this time, unless pipes and exit show by then that it is over.
    pending: Option<(Instant, EndCause)>,
    pub(super) stage: Stage,
    /// The process itself has ended; its group may not have.
    pub(super) ended: bool,
}

impl<'a> Termination<'a> {
    pub(super) const fn new(control: Control, bounds: &'a Bounds, deadline: Option<Instant>) -> Self {
        Self { control, bounds, deadline, cause: None, pending: None, stage: Stage::Running, ended: false }
    }

    /// When [`Termination::time_is_up`] is to be called.
    pub(super) fn wake(&self) -> Option<Instant> {
        let pending = self.pending.as_ref().map(|(at, _)| *at);
        match self.stage {
            Stage::Running => pending.or(self.deadline),
            Stage::Lingering(at) => Some(pending.map_or(at, |pending| pending.min(at))),
            stage => stage.due(),
        }
    }

    /// Whether the end has been requested already.
    pub(super) const fn is_requested(&self) -> bool {
        self.cause.is_some() || self.pending.is_some()
    }

    pub(super) const fn is_killed(&self) -> bool {
        matches!(self.stage, Stage::Killed(_) | Stage::Over)
    }

    /// Takes note that the process has ended.
    pub(super) fn has_ended(&mut self) {
        self.ended = true;
        // A process that has ended by itself was no timeout, however late its end was noticed.
        if matches!(self.pending, Some((_, EndCause::Timeout { .. }))) {
            self.pending = None;
        }
        if self.cause.is_some() {
            self.control.terminate_strays();
        }
        // After TERM the group keeps the grace period of its process.
        if self.stage == Stage::Running {
            self.stage = Stage::lingering();
        }
    }

    /// Gives the run up for a cause that holds since `due`, after pipes and exit were checked once more.
    pub(super) fn give_up_after_recheck(&mut self, cause: EndCause, due: Instant) {
        if self.is_requested() {
            return;
        }
        match recheck_time(due, || self.ended || self.control.has_ended()) {
            Some(time) => self.pending = Some((Instant::now() + time, cause)),
            None => self.give_up(cause),
        }
    }

    /// Gives the run up: TERM, unless it was killed already. The first cause stays.
    pub(super) fn give_up(&mut self, cause: EndCause) {
        let cause = self.pending.take().map_or(cause, |(_, first)| first);
        if self.cause.is_none() {
            self.cause = Some(cause);
            if !self.is_killed() {
                self.stage = Stage::terminate(&self.control, self.bounds.grace);
            }
        }
    }

    pub(super) fn kill(&mut self) {
        self.stage = Stage::kill(&self.control, self.ended);
    }

    /// Takes the step that is due at [`Termination::wake`].
    pub(super) fn time_is_up(&mut self) {
        if let Some((at, cause)) = self.pending.clone()
            && at <= Instant::now()
        {
            return self.give_up(cause);
        }
        if self.stage == Stage::Running {
            let due = self.deadline.unwrap_or_else(Instant::now);
            return self.give_up_after_recheck(EndCause::timeout(BoundName::Timeout, self.bounds.timeout), due);
        }
        self.stage = self.stage.advance(&self.control, self.ended);
    }
}

/// A process that stays up, while it is being ended. Its output is read and thrown away meanwhile.
pub(super) struct WarmTermination<'a> {
    pub(super) control: &'a mut Control,
    pub(super) pipes: &'a mut ModelPipes,
}

impl WarmTermination<'_> {
    /// TERM, the grace period, KILL.
    pub(super) async fn terminate(mut self, grace: Duration, cancel: &Cancel) -> Option<Exit> {
        self.signal(grace, cancel).await;
        self.reap().await
    }

    /// TERM, `grace`, KILL; does not reap.
    pub(super) async fn signal(&mut self, grace: Duration, cancel: &Cancel) {
        self.control.terminate();
        self.ended_within(grace, cancel).await;
        self.control.kill();
    }

    /// Reaps a process that has ended or is of no more use, after the steps from [`Stage::Lingering`] on.
    pub(super) async fn reap(mut self) -> Option<Exit> {
        let never = Cancel::new();
        let mut stage = Stage::lingering();
        while let Some(due) = stage.due() {
            if self.ended_within(due.saturating_duration_since(Instant::now()), &never).await {
                break;
            }
            stage = stage.advance(self.control, false);
        }
        reap(self.control).await
    }

    async fn ended_within(&mut self, bound: Duration, cancel: &Cancel) -> bool {
        if self.control.exit().is_some() {
            return true;
        }
        let (pipes, control) = (&mut *self.pipes, &*self.control);
        let discard = async {
            pipes.discard().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = control.ended() => true,
            () = cancel.reached(CancelLevel::Now) => false,
            () = sleep(bound) => control.has_ended(),
            () = discard => false,
        }
    }
}
