//! The pool of kept processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicBool},
    time::{Duration, Instant},
};

use mer_core::FailureKind;
use mer_meal::{Cancel, group_memory};
use tokio::{runtime::Handle, sync::Notify};

use super::{
    entry::{Claim, Entry, Retirement, Stage},
    group::{Effects, Group, Serving, stop_idle},
    lease::{Grant, Home, Lease, ProcessId, UseEnd},
    process::PooledProcess,
    start_failure::StartFailure,
};
use crate::{limits::Limits, outcome::Verdict};

/// Model and server.
pub(crate) type GroupName = (String, String);

/// The processes of all models on all servers.
#[derive(Debug, Default)]
pub(crate) struct PoolState {
    pub(crate) groups: BTreeMap<GroupName, Group>,
    pub(crate) next_id: ProcessId,
    /// When the task that looks after the processes looks at them; none if there is no such task.
    pub(crate) planned_look: Option<Instant>,
}

/// Longest time between two looks at idle processes.
const LOOK: Duration = Duration::from_secs(5);

impl PoolState {
    /// Returns the group and the name of a process.
    pub(crate) fn group_of(&mut self, id: ProcessId) -> Option<(&GroupName, &mut Group)> {
        self.groups.iter_mut().find(|(_, group)| group.entries.contains_key(&id))
    }

    /// Returns when to look at the processes; none if no process needs it.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        let entries = || self.groups.values().flat_map(|group| group.entries.values());
        let look = entries().any(Entry::is_watched).then(|| Instant::now() + LOOK)?;
        Some(entries().filter_map(Entry::expires_at).fold(look, Instant::min))
    }

    fn entry(&mut self, id: ProcessId) -> Option<&mut Entry> {
        self.group_of(id).and_then(|(_, group)| group.entries.get_mut(&id))
    }
}

/// Keeps processes between requests.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<PoolState>,
    /// Notified when a process is gone.
    gone: Notify,
    /// Wakes the task that looks after the processes.
    pub(super) woken: Arc<Notify>,
    pub(super) limits: Arc<Limits>,
    /// Whether a task looks whether others want units that idle processes hold.
    pub(super) is_looking_for_waiters: AtomicBool,
    /// Itself, for leases and tasks.
    me: Weak<Self>,
}

impl Pool {
    /// Returns an empty pool.
    pub(crate) fn new(limits: Arc<Limits>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            state: Mutex::default(),
            gone: Notify::new(),
            woken: Arc::default(),
            limits,
            is_looking_for_waiters: AtomicBool::new(false),
            me: Weak::clone(me),
        })
    }

    /// Returns a reference for a task that does not keep the pool alive.
    pub(crate) fn weak(&self) -> Weak<Self> {
        Weak::clone(&self.me)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, PoolState> {
        // Nothing that is called with the lock held panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and does afterwards what follows from the change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut PoolState, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let result = change(&mut self.lock(), &mut effects);
        for (id, process, cancel) in effects.stops {
            self.end(id, process, cancel);
        }
        for (sender, grant) in effects.grants {
            // If the request is gone, dropping the grant serves the next one.
            drop(sender.send(grant));
        }
        result
    }

    /// Calls `serve` with a group and what it needs to serve requests. The group is made if it does not exist.
    pub(super) fn with_group<T>(
        &self,
        name: &GroupName,
        serve: impl FnOnce(&mut Group, &mut Serving<'_>) -> T,
    ) -> Option<T> {
        let home: Arc<dyn Home> = self.me.upgrade()?;
        Some(self.change(|state, effects| {
            if !state.groups.contains_key(name) {
                state.groups.insert(name.clone(), Group::default());
            }
            let PoolState { groups, next_id, .. } = state;
            let mut serving = Serving { home: &home, next_id, effects };
            let result = groups.get_mut(name).map(|group| serve(group, &mut serving));
            if groups.get(name).is_some_and(Group::is_empty) {
                groups.remove(name);
            }
            result
        }))
        .flatten()
    }

    /// Removes a process, or changes it, and serves the requests that wait.
    fn with_process<T>(&self, id: ProcessId, change: impl FnOnce(&mut Group, &mut Serving<'_>) -> T) -> Option<T> {
        let name = self.lock().group_of(id).map(|(name, _)| name.clone())?;
        self.with_group(&name, |group, serving| {
            let result = change(group, serving);
            group.serve_waiting(serving);
            result
        })
    }

    /// Ends a process in the background.
    fn end(&self, id: ProcessId, process: Box<PooledProcess>, cancel: Cancel) {
        let pool = self.weak();
        // Without a runtime the process is killed at once.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            process.stop(&cancel).await;
            if let Some(pool) = pool.upgrade() {
                pool.remove(id);
            }
        });
    }

    fn remove(&self, id: ProcessId) {
        self.with_process(id, |group, _| group.entries.remove(&id));
        self.gone.notify_waiters();
    }

    /// Waits until these processes are gone.
    pub(crate) async fn wait_gone(&self, ids: &[ProcessId]) {
        let left = BTreeSet::from_iter(ids);
        loop {
            let gone = self.gone.notified();
            if !self.lock().groups.values().any(|group| group.entries.keys().any(|id| left.contains(id))) {
                return;
            }
            gone.await;
        }
    }
}

impl Home for Pool {
    fn give_back(&self, id: ProcessId, process: Box<PooledProcess>, end: UseEnd, is_alive: bool) {
        process.stderr.set(None);
        let limit = self.lock().entry(id).and_then(|entry| entry.life.max_memory.zip(entry.local_group()));
        let memory = |(most, group)| group_memory(&[group]).get(&group).is_some_and(|bytes| *bytes > most);
        let is_large = !matches!(end, UseEnd::Unused) && limit.is_some_and(memory);
        let mut gone = None;
        self.with_process(id, |group, serving| {
            let Some(entry) = group.entries.get_mut(&id) else { return };
            match &end {
                UseEnd::Answered(count) => {
                    entry.served += count;
                    group.back_off.answered(&entry.key);
                }
                UseEnd::Died(verdict) if !entry.life.private => {
                    group.back_off.died(&entry.key, verdict, Instant::now());
                }
                _ => {}
            }
            if !is_alive {
                gone = group.entries.remove(&id);
                return;
            }
            let is_over = entry.retirement != Retirement::None || entry.is_worn() || is_large || entry.life.is_short();
            entry.stage = Stage::Idle(process, Instant::now());
            if is_over {
                stop_idle(id, entry, serving.effects);
            }
        });
        self.look_for_waiters();
        if gone.is_some() {
            self.gone.notify_waiters();
        }
        self.look_after();
    }

    fn forget(&self, id: ProcessId) {
        self.remove(id);
    }

    fn begin_start(&self, id: ProcessId, cancel: &Cancel) -> bool {
        let mut state = self.lock();
        let Some(entry) = state.entry(id) else { return false };
        let is_wanted = !matches!(entry.retirement, Retirement::Stopped | Retirement::StoppedNow);
        if is_wanted {
            entry.stage = Stage::Starting(cancel.clone());
            entry.started = Instant::now();
        }
        is_wanted
    }

    fn ready(&self, id: ProcessId, process: Box<PooledProcess>) -> Option<Lease> {
        let home: Arc<dyn Home> = self.me.upgrade()?;
        self.change(|state, effects| {
            let (_, group) = state.group_of(id)?;
            let entry = group.entries.get_mut(&id)?;
            entry.pid = Some(process.process.pid());
            entry.units = process.units.as_ref().map_or_else(Weak::new, Arc::downgrade);
            group.back_off.loaded(&entry.key);
            if matches!(entry.retirement, Retirement::Stopped | Retirement::StoppedNow) {
                entry.stage = Stage::Idle(process, Instant::now());
                stop_idle(id, entry, effects);
                return None;
            }
            entry.stage = Stage::Busy(Cancel::new());
            Some(Lease::new(home, id, process))
        })
    }

    fn failed(&self, id: ProcessId, failure: StartFailure) -> StartFailure {
        let failure = self.with_process(id, |group, serving| {
            let Some(entry) = group.entries.remove(&id) else { return failure.clone() };
            if entry.retirement == Retirement::Stopped || entry.retirement == Retirement::StoppedNow {
                return StartFailure { verdict: Verdict::stopped_at_start(), ..failure.clone() };
            }
            if is_cancelled(&failure.verdict) {
                return failure.clone();
            }
            if !entry.life.private && is_of_the_model(&failure.verdict) {
                group.back_off.load_failed(&entry.key, &failure.verdict, Instant::now());
            }
            // Requests that waited for this start have failed with it, unless another process can serve them.
            if !group.entries.values().any(|other| other.is_serving() && other.key.is_same(&entry.key)) {
                let fails = |key: &_| entry.key.is_same(key).then(|| Grant::Failed(Box::new(failure.clone())));
                for (waiter, grant) in group.queue.serve(|want| fails(&want.key)) {
                    serving.effects.grants.push((waiter.grant, grant));
                }
            }
            failure.clone()
        });
        self.gone.notify_waiters();
        failure.unwrap_or_else(|| StartFailure::new(Verdict::stopped_at_start()))
    }

    fn abandon_start(&self, id: ProcessId) -> bool {
        let mut state = self.lock();
        let Some((_, group)) = state.group_of(id) else { return true };
        let Some(entry) = group.entries.get_mut(&id) else { return true };
        let is_wanted = entry.retirement == Retirement::None && group.queue.has(&entry.key);
        if is_wanted {
            entry.claim = Claim::Waiting;
        }
        !is_wanted
    }

    fn set_request(&self, id: ProcessId, cancel: &Cancel) {
        if let Some(entry) = self.lock().entry(id)
            && matches!(entry.stage, Stage::Busy(_))
        {
            entry.stage = Stage::Busy(cancel.clone());
            if entry.retirement == Retirement::StoppedNow {
                cancel.cancel_now();
            }
        }
    }

    fn is_stopped(&self, id: ProcessId) -> bool {
        self.lock().entry(id).is_some_and(|entry| entry.retirement == Retirement::StoppedNow)
    }
}

fn is_cancelled(verdict: &Verdict) -> bool {
    verdict.failure == Some(FailureKind::Cancelled)
}

/// Whether the model itself could not be loaded. A server that cannot be reached is remembered by itself, and a shortage is
/// soon over.
fn is_of_the_model(verdict: &Verdict) -> bool {
    !matches!(verdict.failure, Some(FailureKind::Unreachable | FailureKind::Busy | FailureKind::Cancelled))
        && !verdict.elsewhere
}
