//! What the pool knows about one process.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use mer_core::Bound;
use mer_meal::Cancel;

use super::{key::ProcessKey, life::Life, process::PooledProcess, wait_queue::Want};
use crate::limits::UnitsGuard;

/// What a process does.
#[derive(Debug)]
pub(crate) enum Stage {
    /// A request has the place, and has not begun to start a process.
    Reserved,
    /// It is being started.
    Starting(Cancel),
    /// It waits for a request.
    Idle(Box<PooledProcess>, Instant),
    /// It serves a request, which this token cancels.
    Busy(Cancel),
    /// It is being ended; this token ends it at once.
    Stopping(Cancel),
}

/// Whether a process takes further requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retirement {
    /// It does.
    None,
    /// It ends after the request that it serves or is started for.
    AfterUse,
    /// It was stopped: it ends after the request that it serves, and is not started any more.
    Stopped,
    /// It was stopped at once, in the middle of its request.
    StoppedNow,
}

/// What a start is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The request that began it.
    Request,
    /// Later requests: it is a load.
    Load,
    /// Requests that wait, because the one that began it was cancelled.
    Waiting,
}

/// A process of the pool.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Arc<ProcessKey>,
    pub(crate) life: Life,
    pub(crate) weights_version: Option<u64>,
    pub(crate) stage: Stage,
    pub(crate) retirement: Retirement,
    /// What it is started for.
    pub(crate) claim: Claim,
    pub(crate) pid: Option<u32>,
    /// The units that it holds.
    pub(crate) units: Weak<UnitsGuard>,
    pub(crate) started: Instant,
    pub(crate) served: u64,
}

impl Entry {
    /// Returns a place for a process.
    pub(crate) fn reserved(want: &Want) -> Self {
        Self {
            key: Arc::clone(&want.key),
            life: want.life,
            weights_version: want.weights_version,
            stage: Stage::Reserved,
            retirement: Retirement::None,
            claim: if want.loading { Claim::Load } else { Claim::Request },
            pid: None,
            units: Weak::new(),
            started: Instant::now(),
            served: 0,
        }
    }

    /// Whether it takes further requests.
    pub(crate) fn is_serving(&self) -> bool {
        self.retirement == Retirement::None && !matches!(self.stage, Stage::Stopping(_))
    }

    /// Returns the time since its last request, if it waits for the next one.
    pub(crate) const fn idle_since(&self) -> Option<Instant> {
        match self.stage {
            Stage::Idle(_, since) => Some(since),
            _ => None,
        }
    }

    /// Returns when it is ended unless a request comes.
    pub(crate) fn expires_at(&self) -> Option<Instant> {
        self.idle_since().and_then(|since| self.life.keepalive.deadline(since))
    }

    /// Returns whether it is to be replaced before its next request.
    pub(crate) fn is_worn(&self) -> bool {
        self.life.is_over(self.started, self.served)
    }

    /// Returns its process group, if it runs on this machine.
    pub(crate) fn local_group(&self) -> Option<u32> {
        self.pid.filter(|_| self.key.placement().is_here())
    }

    /// Whether it is looked after: its end is noticed, and it is ended after its keepalive.
    pub(crate) const fn is_watched(&self) -> bool {
        !(self.life.private && matches!(self.life.keepalive, Bound::Never))
    }

    /// Returns the time since its start.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }
}
