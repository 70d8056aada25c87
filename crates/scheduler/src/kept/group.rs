//! The processes of one model on one server, and the requests that wait for them. Decides which request is served with what.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use mer_core::RunSpec;
use mer_meal::Cancel;
use tokio::sync::oneshot;

use super::{
    back_off::BackOff,
    entry::{Claim, Entry, Retirement, Stage},
    lease::{Grant, Home, Lease, ProcessId, StartPermit},
    process::PooledProcess,
    wait_queue::{WaitQueue, Want},
};
use crate::placement::Placement;

/// What is to be done after a change, once the pool is unlocked.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Requests that are served now.
    pub(crate) grants: Vec<(oneshot::Sender<Grant>, Grant)>,
    /// Processes that are to be ended.
    pub(crate) stops: Vec<(ProcessId, Box<PooledProcess>, Cancel)>,
}

/// The processes of one model on one server.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) entries: BTreeMap<ProcessId, Entry>,
    pub(crate) queue: WaitQueue,
    pub(crate) back_off: BackOff,
}

/// What a group needs to serve requests.
pub(crate) struct Serving<'a> {
    pub(crate) home: &'a Arc<dyn Home>,
    pub(crate) next_id: &'a mut ProcessId,
    pub(crate) effects: &'a mut Effects,
}

impl Group {
    /// Stops idle processes that serve no further request: those of a registration that was changed, and, for a `private`
    /// request, those that were started from another specification. Others end after their request. Returns those that are
    /// being ended.
    pub(crate) fn retire_changed(
        &mut self,
        placement: &Placement,
        spec: &RunSpec,
        private: bool,
        effects: &mut Effects,
    ) -> Vec<ProcessId> {
        let is_changed = |entry: &Entry| {
            !entry.key.is_registered_as(placement)
                || (private && entry.life.private && !entry.key.fits(placement, spec))
        };
        self.retire(is_changed, effects)
    }

    /// Stops idle processes that are meant, and lets the others end after their request. Returns those that are being ended.
    pub(crate) fn retire(&mut self, is_meant: impl Fn(&Entry) -> bool, effects: &mut Effects) -> Vec<ProcessId> {
        let mut leaving = Vec::new();
        for (id, entry) in &mut self.entries {
            if entry.is_serving() && is_meant(entry) {
                entry.retirement = Retirement::AfterUse;
                if stop_idle(*id, entry, effects) {
                    leaving.push(*id);
                }
            }
        }
        leaving
    }

    /// Takes an idle process that serves such a request. Processes that died or are worn are stopped, and added to `leaving`.
    pub(crate) fn take_idle(
        &mut self,
        fits: impl Fn(&Entry) -> bool,
        cancel: &Cancel,
        serving: &mut Serving<'_>,
        leaving: &mut Vec<ProcessId>,
    ) -> Option<Lease> {
        loop {
            // The one that was used last has its memory in the caches.
            let idle = self.entries.iter_mut().filter(|(_, entry)| entry.is_serving() && fits(entry));
            let (id, entry) = idle
                .filter_map(|(id, entry)| entry.idle_since().map(|since| (since, id, entry)))
                .max_by_key(|(since, ..)| *since)
                .map(|(_, id, entry)| (*id, entry))?;
            let is_usable = match &mut entry.stage {
                Stage::Idle(process, _) => process.process.is_alive(),
                _ => false,
            };
            if !is_usable || entry.is_worn() {
                stop_idle(id, entry, serving.effects);
                leaving.push(id);
                continue;
            }
            if let Stage::Idle(process, _) = std::mem::replace(&mut entry.stage, Stage::Busy(cancel.clone())) {
                return Some(Lease::new(Arc::clone(serving.home), id, process));
            }
        }
    }

    /// Serves a request, if that is possible now.
    pub(crate) fn serve(&mut self, want: &Want, serving: &mut Serving<'_>) -> Option<Grant> {
        let mut leaving = Vec::new();
        let fits = |entry: &Entry| entry.key.is_same(&want.key);
        if let Some(lease) = self.take_idle(fits, &want.cancel, serving, &mut leaving) {
            return Some(Grant::Process(lease));
        }
        if self.taken_places() >= want.life.instances {
            // A process of the same model with other weights, or for another folder, makes room if it is idle.
            let Some(id) = self.least_recently_used(|_| true) else {
                let is_blocked = self.entries.values().all(|entry| !entry.is_serving() || is_pinned_idle(entry));
                return is_blocked.then_some(Grant::Unkept);
            };
            if let Some(entry) = self.entries.get_mut(&id) {
                stop_idle(id, entry, serving.effects);
                leaving.push(id);
            }
        }
        let id = *serving.next_id;
        *serving.next_id += 1;
        self.entries.insert(id, Entry::reserved(want));
        Some(Grant::StartPermit(StartPermit::new(Arc::clone(serving.home), id, leaving)))
    }

    /// Serves as many of the waiting requests as possible.
    pub(crate) fn serve_waiting(&mut self, serving: &mut Serving<'_>) {
        if self.queue.is_empty() {
            return;
        }
        let mut queue = std::mem::take(&mut self.queue);
        for (waiter, grant) in queue.serve(|want| self.serve(want, serving)) {
            serving.effects.grants.push((waiter.grant, grant));
        }
        self.queue = queue;
    }

    /// Cancels starts that a request began which is gone, and that no other request waits for any longer.
    pub(crate) fn cancel_unwanted_starts(&self) {
        for entry in self.entries.values().filter(|entry| entry.claim == Claim::Waiting) {
            if let Stage::Starting(cancel) = &entry.stage
                && !self.queue.has(&entry.key)
            {
                cancel.cancel();
            }
        }
    }

    /// Returns the idle process that was used least recently, is not pinned, and is meant.
    pub(crate) fn least_recently_used(&self, is_meant: impl Fn(&Entry) -> bool) -> Option<ProcessId> {
        let idle = self.entries.iter().filter(|(_, entry)| entry.is_serving() && !entry.life.pinned && is_meant(entry));
        let idle = idle.filter_map(|(id, entry)| entry.idle_since().map(|since| (since, *id)));
        idle.min().map(|(_, id)| id)
    }

    /// Returns the number of processes that count against `instances`.
    pub(crate) fn taken_places(&self) -> usize {
        self.entries.values().filter(|entry| entry.is_serving()).count()
    }

    /// Whether nothing is left to be remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.queue.is_empty() && self.back_off.is_empty()
    }

    /// Whether a process of this specification is ready or serves a request.
    pub(crate) fn is_loaded(&self, fits: impl Fn(&Entry) -> bool) -> bool {
        let loaded = |entry: &Entry| matches!(entry.stage, Stage::Idle(..) | Stage::Busy(_));
        self.entries.values().any(|entry| entry.is_serving() && loaded(entry) && fits(entry))
    }

    /// Removes the failures because of which no process is started now, if their pause is over or their model was changed.
    pub(crate) fn forget_changed(&mut self, placement: &Placement) {
        self.back_off.retain(|key| key.is_registered_as(placement));
    }

    /// Returns when the first process is ended unless a request comes.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.entries.values().filter_map(Entry::expires_at).min()
    }
}

/// Stops a process if it is idle. Returns whether it was.
pub(crate) fn stop_idle(id: ProcessId, entry: &mut Entry, effects: &mut Effects) -> bool {
    if entry.idle_since().is_none() {
        return false;
    }
    let cancel = Cancel::new();
    if let Stage::Idle(process, _) = std::mem::replace(&mut entry.stage, Stage::Stopping(cancel.clone())) {
        effects.stops.push((id, process, cancel));
    }
    true
}

fn is_pinned_idle(entry: &Entry) -> bool {
    entry.life.pinned && entry.idle_since().is_some()
}
