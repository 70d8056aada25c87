//! Finds a process for a request, or a place to start one in, and waits for it in the order of the requests.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::RunSpec;
use mer_meal::{Cancel, CancelLevel, until};
use tokio::sync::oneshot;

use super::{
    entry::{Entry, Stage},
    key::ProcessKey,
    lease::{Grant, Lease, ProcessId, StartPermit},
    life::Life,
    pool::{GroupName, Pool},
    start_failure::StartFailure,
    wait_queue::{Waiter, Want},
};
use crate::{
    Retention, WaitObserver,
    outcome::Verdict,
    placement::Placement,
    wait::{Wait, waiting},
};

/// A request for a process.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) model: &'a str,
    pub(crate) placement: &'a Placement,
    /// What is started for it.
    pub(crate) spec: &'a RunSpec,
    pub(crate) weights_version: Option<u64>,
    pub(crate) keep: Retention,
    /// Whether a process is loaded without a request.
    pub(crate) loading: bool,
    pub(crate) priority: i8,
    pub(crate) cancel: &'a Cancel,
    pub(crate) observer: Option<&'a WaitObserver>,
}

/// What a request has got.
#[derive(Debug)]
pub(crate) enum Acquired {
    /// A process that is ready.
    Process(Lease),
    /// A place in which it starts a process.
    StartPermit(StartPermit),
    /// It is served by a process that is not kept.
    Unkept,
    /// A process of the model is loaded already.
    Loaded,
    /// The start that it waited for failed, or its wait was in vain.
    Failed(Box<StartFailure>),
}

impl Acquired {
    fn failed(verdict: Verdict) -> Self {
        Self::Failed(Box::new(StartFailure::new(verdict)))
    }
}

/// How a request was received.
enum Admission {
    Granted(Grant, Vec<ProcessId>),
    Loaded,
    Waits(oneshot::Receiver<Grant>, u64, Vec<ProcessId>),
    TooEarly(Box<Verdict>),
    Full { queued: usize },
}

/// Removes a request from the queue when it does not wait any longer.
struct Waiting<'a> {
    pool: &'a Pool,
    name: &'a GroupName,
    ticket: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.pool.leave(self.name, self.ticket);
    }
}

impl Pool {
    /// Finds a process or a place, and waits for it within the bounds of the model. Returns also how long it has waited.
    ///
    /// # Errors
    /// Too many requests wait already. Returns their number.
    pub(crate) async fn acquire(&self, ask: &Ask<'_>) -> Result<(Acquired, Duration), usize> {
        let life = Life::new(&ask.placement.params, ask.keep, ask.loading);
        let name = (ask.model.to_owned(), ask.placement.server.clone());
        let begin = Instant::now();
        let (grant, leaving) = match self.admit(ask, life, &name) {
            None => return Ok((Acquired::Unkept, Duration::ZERO)),
            Some(Admission::Loaded) => return Ok((Acquired::Loaded, Duration::ZERO)),
            Some(Admission::TooEarly(verdict)) => return Ok((Acquired::failed(*verdict), Duration::ZERO)),
            Some(Admission::Full { queued }) => return Err(queued),
            Some(Admission::Granted(Grant::Process(lease), _)) => {
                return Ok((Acquired::Process(lease), Duration::ZERO));
            }
            Some(Admission::Granted(grant, leaving)) => (Ok(grant), leaving),
            Some(Admission::Waits(grant, ticket, leaving)) => {
                let queue = Waiting { pool: self, name: &name, ticket };
                let wait = || Wait::Process {
                    model: ask.model.to_owned(),
                    server: ask.placement.server.clone(),
                    queue_timeout: life.queue_timeout,
                };
                let granted = waiting(ask.observer, wait, self.wait_in_queue(grant, ask, life, &name)).await;
                drop(queue);
                (granted, leaving)
            }
        };
        let acquired = match grant {
            Ok(Grant::Process(lease)) => Acquired::Process(lease),
            Ok(Grant::StartPermit(place)) => self.wait_for_room(place, leaving, ask.cancel).await,
            Ok(Grant::Unkept) => Acquired::Unkept,
            Ok(Grant::Failed(failure)) => Acquired::Failed(failure),
            Err(verdict) => Acquired::failed(verdict),
        };
        Ok((acquired, begin.elapsed()))
    }

    /// Waits until the processes that make room are gone, because only then their memory is free.
    async fn wait_for_room(&self, mut place: StartPermit, mut leaving: Vec<ProcessId>, cancel: &Cancel) -> Acquired {
        leaving.append(&mut place.leaving);
        tokio::select! {
            biased;
            () = self.wait_gone(&leaving) => Acquired::StartPermit(place),
            () = cancel.reached(CancelLevel::Cancel) => Acquired::failed(Verdict::cancelled_before()),
        }
    }

    /// Takes an idle process that serves such a request, if there is one and no other request waits.
    pub(crate) fn take_idle(&self, ask: &Ask<'_>) -> Option<Lease> {
        let name = (ask.model.to_owned(), ask.placement.server.clone());
        self.with_group(&name, |group, serving| {
            if !group.queue.is_empty() {
                return None;
            }
            let fits = |entry: &Entry| entry.key.fits(ask.placement, ask.spec);
            group.take_idle(fits, ask.cancel, serving, &mut Vec::new())
        })
        .flatten()
    }

    fn admit(&self, ask: &Ask<'_>, life: Life, name: &GroupName) -> Option<Admission> {
        self.with_group(name, |group, serving| {
            let fits = |entry: &Entry| entry.key.fits(ask.placement, ask.spec);
            let mut leaving = group.retire_changed(ask.placement, ask.spec, life.private, serving.effects);
            if ask.loading && group.is_loaded(fits) {
                return Admission::Loaded;
            }
            if group.queue.is_empty()
                && let Some(lease) = group.take_idle(fits, ask.cancel, serving, &mut leaving)
            {
                return Admission::Granted(Grant::Process(lease), leaving);
            }
            group.forget_changed(ask.placement);
            let now = Instant::now();
            if !life.private
                && let Some(failing) = group.back_off.until(|key| key.fits(ask.placement, ask.spec), now)
                && !group.entries.values().any(|entry| entry.is_serving() && fits(entry))
            {
                return Admission::TooEarly(Box::new(failing.verdict(now)));
            }
            let key = Arc::new(ProcessKey::new(ask.placement, ask.spec));
            let (weights_version, cancel) = (ask.weights_version, ask.cancel.clone());
            let want = Want { key, life, weights_version, loading: ask.loading, cancel };
            if group.queue.is_empty()
                && let Some(grant) = group.serve(&want, serving)
            {
                return Admission::Granted(grant, leaving);
            }
            let queued = group.queue.len();
            if queued >= life.queue_length {
                return Admission::Full { queued };
            }
            let (sender, receiver) = oneshot::channel();
            let ticket = *serving.next_id;
            *serving.next_id += 1;
            group.queue.push(Waiter { ticket, priority: ask.priority, want, grant: sender });
            Admission::Waits(receiver, ticket, leaving)
        })
    }

    /// Waits for a grant. The bound does not run out while a process is started that may serve the request.
    async fn wait_in_queue(
        &self,
        mut grant: oneshot::Receiver<Grant>,
        ask: &Ask<'_>,
        life: Life,
        name: &GroupName,
    ) -> Result<Grant, Verdict> {
        let mut deadline = life.queue_timeout.deadline(Instant::now());
        loop {
            tokio::select! {
                biased;
                granted = &mut grant => return granted.map_err(|_| Verdict::stopped_at_start()),
                () = ask.cancel.reached(CancelLevel::Cancel) => return Err(Verdict::cancelled_before()),
                () = until(deadline) => {
                    if !self.is_starting(name) {
                        return Err(Verdict::queue_timeout(ask.model, &ask.placement.server, life.queue_timeout));
                    }
                    deadline = life.queue_timeout.deadline(Instant::now());
                }
            }
        }
    }

    fn is_starting(&self, name: &GroupName) -> bool {
        let state = self.lock();
        // A permit that waits for units is bounded by the queue of its request.
        let starts = |entry: &Entry| matches!(entry.stage, Stage::Starting(_));
        state.groups.get(name).is_some_and(|group| group.entries.values().any(starts))
    }

    /// Removes a request from the queue. A start that only this request waited for is cancelled.
    fn leave(&self, name: &GroupName, ticket: u64) {
        self.with_group(name, |group, _| {
            group.queue.remove(ticket);
            group.cancel_unwanted_starts();
        });
    }
}
