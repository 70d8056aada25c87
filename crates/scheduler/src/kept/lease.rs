//! A process that serves one request, and a place in which a process may be started. Dropping either gives it back.

use std::{fmt, sync::Arc};

use mer_meal::{Cancel, EndCause};

use super::{process::PooledProcess, start_failure::StartFailure};
use crate::outcome::Verdict;

/// Number of a process in its pool.
pub(crate) type ProcessId = u64;

/// How a request ended, as far as it matters for the process that served it.
#[derive(Debug)]
pub(crate) enum UseEnd {
    /// The process was sent nothing.
    Unused,
    /// It has answered this number of requests or items.
    Answered(u64),
    /// The request was given up, and the process may go on.
    GivenUp,
    /// The process died, or broke its protocol.
    Died(Box<Verdict>),
}

/// What leases and places give back to.
pub(crate) trait Home: fmt::Debug + Send + Sync {
    /// Takes back a process after its request.
    fn give_back(&self, id: ProcessId, process: Box<PooledProcess>, end: UseEnd, is_alive: bool);

    /// Forgets a process that was dropped in the middle of a request.
    fn forget(&self, id: ProcessId);

    /// Notes that the start of a process begins, which this token cancels. Returns false if the place was withdrawn.
    fn begin_start(&self, id: ProcessId, cancel: &Cancel) -> bool;

    /// Takes a process that is ready, and returns it as a lease. Returns none if it was stopped meanwhile.
    fn ready(&self, id: ProcessId, process: Box<PooledProcess>) -> Option<Lease>;

    /// Notes that a process could not be started. Returns the failure as the request that waits for it is to see it.
    fn failed(&self, id: ProcessId, failure: StartFailure) -> StartFailure;

    /// Notes that the request which began a start does not wait for it any longer. Returns whether it is cancelled, because no other request needs it.
    fn abandon_start(&self, id: ProcessId) -> bool;

    /// Notes which token cancels the request that a process serves.
    fn set_request(&self, id: ProcessId, cancel: &Cancel);

    /// Whether the process is to be ended although a request needs it.
    fn is_stopped(&self, id: ProcessId) -> bool;
}

/// A process that serves one request.
#[derive(Debug)]
pub(crate) struct Lease {
    home: Arc<dyn Home>,
    id: ProcessId,
    process: Option<Box<PooledProcess>>,
    is_used: bool,
}

impl Lease {
    pub(super) fn new(home: Arc<dyn Home>, id: ProcessId, process: Box<PooledProcess>) -> Self {
        Self { home, id, process: Some(process), is_used: false }
    }

    /// Returns the process, to be sent a request. Once it was returned, dropping the lease kills it.
    pub(crate) fn process(&mut self) -> Option<&mut PooledProcess> {
        self.is_used = true;
        self.process.as_deref_mut()
    }

    /// Notes which token cancels the request.
    pub(crate) fn serves(&self, cancel: &Cancel) {
        self.home.set_request(self.id, cancel);
    }

    /// Whether the process was stopped at once, in the middle of its request.
    pub(crate) fn is_stopped(&self) -> bool {
        self.home.is_stopped(self.id)
    }

    /// Gives the process back after it has answered this number of requests or items. Returns the verdict, which is another one
    /// if the process was told to stop.
    pub(crate) fn end_use(self, cause: &EndCause, answered: u64, mut verdict: Verdict, is_alive: bool) -> Verdict {
        let end = match cause {
            EndCause::Done => UseEnd::Answered(answered),
            EndCause::Died | EndCause::ProtocolBroken(_) => UseEnd::Died(Box::new(verdict.clone())),
            EndCause::Cancelled if self.is_stopped() => {
                verdict = Verdict::stopped();
                UseEnd::GivenUp
            }
            _ => UseEnd::GivenUp,
        };
        self.give_back(end, is_alive);
        verdict
    }

    /// Gives the process back after its request. `is_alive` is whether it may serve another one.
    pub(crate) fn give_back(mut self, end: UseEnd, is_alive: bool) {
        if let Some(process) = self.process.take() {
            self.home.give_back(self.id, process, end, is_alive);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.process.take() {
            None => {}
            Some(mut process) if !self.is_used => {
                let is_alive = process.process.is_alive();
                self.home.give_back(self.id, process, UseEnd::Unused, is_alive);
            }
            Some(process) => {
                drop(process);
                self.home.forget(self.id);
            }
        }
    }
}

/// A place for a process that is to be started.
#[derive(Debug)]
pub(crate) struct StartPermit {
    pub(super) home: Arc<dyn Home>,
    pub(super) id: ProcessId,
    /// Processes that are being ended to make room.
    pub(super) leaving: Vec<ProcessId>,
    pub(super) is_taken: bool,
}

impl StartPermit {
    pub(super) const fn new(home: Arc<dyn Home>, id: ProcessId, leaving: Vec<ProcessId>) -> Self {
        Self { home, id, leaving, is_taken: false }
    }
}

impl Drop for StartPermit {
    fn drop(&mut self) {
        if !self.is_taken {
            self.home.forget(self.id);
        }
    }
}

/// What a request is given by the pool.
#[derive(Debug)]
pub(crate) enum Grant {
    /// A process that is ready.
    Process(Lease),
    /// A place in which the request starts a process.
    StartPermit(StartPermit),
    /// Nothing: the places are taken by pinned processes that cannot serve it. It is served by a process that is not kept.
    Unkept,
    /// The start that it waited for has failed.
    Failed(Box<StartFailure>),
}
