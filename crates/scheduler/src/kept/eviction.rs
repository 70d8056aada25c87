//! Ends idle processes for the units that they hold.

use std::{
    sync::{Weak, atomic::Ordering},
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

use super::{
    entry::{Entry, Stage},
    group::stop_idle,
    lease::ProcessId,
    pool::{Pool, PoolState},
};
use crate::limits::{MakeRoom, Unit, UnitsGuard};

/// Time between two looks whether another `mer` waits for units that idle processes hold.
const LOOK_FOR_WAITERS: Duration = Duration::from_secs(10);

impl MakeRoom for Pool {
    fn make_room(&self, pool: &str, resource: &str, missing: usize) {
        self.change(|state, effects| {
            let held = |entry: &Entry| entry.units.upgrade().map_or(0, |units| units.count(pool, resource));
            let entries = || state.groups.values().flat_map(|group| group.entries.values());
            let leaving = entries().filter(|entry| matches!(entry.stage, Stage::Stopping(_)));
            let mut coming: usize = leaving.map(held).sum();
            while coming < missing {
                let Some(id) = least_recently_used(state, |entry| held(entry) > 0) else { return };
                let Some(entry) = entry(state, id) else { return };
                coming += held(entry);
                stop_idle(id, entry, effects);
            }
        });
    }
}

impl Pool {
    /// Ends the idle processes that hold any of these units.
    pub(crate) fn yield_units(&self, units: &[Unit]) {
        let holds = |held: &UnitsGuard| held.units().any(|unit| units.contains(unit));
        self.change(|state, effects| {
            for group in state.groups.values_mut() {
                for (id, entry) in &mut group.entries {
                    if entry.units.upgrade().is_some_and(|held| holds(&held)) {
                        stop_idle(*id, entry, effects);
                    }
                }
            }
        });
    }

    /// Ends the idle process that was used least recently among those that hold such a unit and are not pinned.
    fn yield_one(&self, unit: &Unit) {
        tracing::debug!("another `mer` waits for {unit}");
        self.make_room(&unit.pool, &unit.resource, 1);
    }

    /// Looks from now on whether other processes want units that idle processes hold, as long as any process holds units.
    pub(super) fn look_for_waiters(&self) {
        if !self.holds_units() || self.is_looking_for_waiters.swap(true, Ordering::Relaxed) {
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(yield_to_waiters(self.weak()))),
            Err(_) => self.is_looking_for_waiters.store(false, Ordering::Relaxed),
        }
    }

    /// Returns the units that idle processes hold which may be ended.
    fn idle_units(&self) -> Vec<Unit> {
        let state = self.lock();
        let entries = state.groups.values().flat_map(|group| group.entries.values());
        let idle = entries.filter(|entry| entry.idle_since().is_some() && !entry.life.pinned);
        idle.filter_map(|entry| entry.units.upgrade())
            .flat_map(|held| held.units().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// Whether any process holds units.
    fn holds_units(&self) -> bool {
        let state = self.lock();
        state.groups.values().flat_map(|group| group.entries.values()).any(|entry| entry.units.strong_count() > 0)
    }
}

async fn yield_to_waiters(pool: Weak<Pool>) {
    loop {
        sleep(LOOK_FOR_WAITERS).await;
        let Some(pool) = pool.upgrade() else { return };
        let idle = pool.idle_units();
        if !idle.is_empty() {
            for unit in pool.limits.wanted(&idle).await {
                pool.yield_one(&unit);
            }
        }
        if !pool.holds_units() {
            pool.is_looking_for_waiters.store(false, Ordering::Relaxed);
            return;
        }
    }
}

/// Returns the idle process of all models that was used least recently, is not pinned, and is meant.
fn least_recently_used(state: &PoolState, is_meant: impl Fn(&Entry) -> bool) -> Option<ProcessId> {
    let entries = state.groups.values().flat_map(|group| &group.entries);
    let idle = entries.filter(|(_, entry)| entry.is_serving() && !entry.life.pinned && is_meant(entry));
    idle.filter_map(|(id, entry)| entry.idle_since().map(|since| (since, *id))).min().map(|(_, id)| id)
}

fn entry(state: &mut PoolState, id: ProcessId) -> Option<&mut Entry> {
    state.groups.values_mut().find_map(|group| group.entries.get_mut(&id))
}
