//! What the keeper of claims and its task share.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use mer_dal::{ClaimOwner, ClaimUnit, Database};
use tokio::sync::Notify;
use uuid::Uuid;

use super::held_units::HeldUnits;

/// The process that holds claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperOwner {
    /// Its machine.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// Its user.
    pub caller: String,
}

/// Ends the idle processes that hold any of these units.
pub type YieldUnits = Box<dyn Fn(&[ClaimUnit]) + Send + Sync>;

/// What the keeper and its task share.
pub(super) struct KeeperState {
    pub(super) database: Database,
    pub(super) uid: Uuid,
    pub(super) owner: KeeperOwner,
    pub(super) units: Mutex<HeldUnits>,
    /// Claims could not be renewed for two thirds of their time.
    pub(super) is_cut_off: AtomicBool,
    pub(super) yield_units: YieldUnits,
    /// The task has something to release, or other times to keep.
    pub(super) changed: Notify,
    /// Each release and renewal that was tried.
    pub(super) settled: Notify,
    /// One question at a time: a unit that is released here is not taken at the same time.
    pub(super) asking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for KeeperState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeeperState").field("uid", &self.uid).field("units", &self.units).finish_non_exhaustive()
    }
}

impl KeeperState {
    pub(super) const fn database(&self) -> &Database {
        &self.database
    }

    pub(super) const fn uid(&self) -> Uuid {
        self.uid
    }

    pub(super) fn owner(&self, model: &str) -> ClaimOwner {
        let KeeperOwner { host, pid, caller } = self.owner.clone();
        ClaimOwner { uid: self.uid, host, pid, caller, model: model.to_owned() }
    }

    pub(super) fn lock_units(&self) -> MutexGuard<'_, HeldUnits> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn release(&self, units: &[ClaimUnit]) {
        self.lock_units().release(units);
        self.changed.notify_one();
    }

    /// Notes whether claims could not be renewed for too long, and yields what must not be used on.
    pub(super) fn stands(&self, is_cut_off: bool) {
        self.is_cut_off.store(is_cut_off, Ordering::Relaxed);
        let affected = {
            let units = self.lock_units();
            if is_cut_off { units.held() } else { units.lost() }
        };
        if !affected.is_empty() {
            (self.yield_units)(&affected);
        }
    }
}
