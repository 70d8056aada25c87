//! Units that a process holds.

use std::{
    collections::BTreeMap,
    fs::File,
    os::fd::{AsFd as _, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mer_meal::Held;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{last_owners::LastOwners, shared::SharedLimits, unit::Unit};

/// Units that a process holds: for a process of one request for its run, for a kept one for its life. Dropping it releases
/// them.
#[derive(Debug)]
pub(crate) struct UnitsGuard {
    /// The units with their locks, in their order.
    units: Vec<(Unit, File)>,
    /// Limits of which the units are claimed, too.
    shared: Option<Arc<dyn SharedLimits>>,
    is_claimed: AtomicBool,
    /// Whether they are for a process, and not only tried.
    is_got: AtomicBool,
    /// Whether another process has the locks, too, and is to keep them.
    is_handed_over: AtomicBool,
    orphan_time: Duration,
    /// Notified when units are free again.
    freed: Arc<Notify>,
}

impl UnitsGuard {
    pub(super) fn new(
        units: Vec<(Unit, File)>,
        shared: Option<Arc<dyn SharedLimits>>,
        orphan_time: Duration,
        freed: Arc<Notify>,
    ) -> Self {
        let is_claimed = AtomicBool::new(shared.is_some());
        Self {
            units,
            shared,
            is_claimed,
            is_got: AtomicBool::new(false),
            is_handed_over: AtomicBool::new(false),
            orphan_time,
            freed,
        }
    }

    /// Notes that all units were got.
    pub(super) fn got(&self) {
        self.is_got.store(true, Ordering::Relaxed);
    }

    /// Leaves the locks to a process that has inherited their descriptors.
    pub(crate) fn hand_over(&self) {
        self.is_handed_over.store(true, Ordering::Relaxed);
    }

    /// Stops renewing the claims, which another owner has by now.
    pub(crate) fn claims_moved(&self) {
        if let Some(shared) = self.shared.as_ref().filter(|_| self.is_claimed.swap(false, Ordering::Relaxed)) {
            shared.release(&self.units().cloned().collect::<Vec<_>>());
        }
    }

    /// Returns the owner of the claims, if the units are claimed.
    pub(crate) fn claimed_by(&self) -> Option<Uuid> {
        self.shared.as_ref().filter(|_| self.is_claimed.load(Ordering::Relaxed)).map(|shared| shared.owner())
    }

    /// Notes that the units were not claimed, so that they are not released.
    pub(super) fn not_claimed(&self) {
        self.is_claimed.store(false, Ordering::Relaxed);
    }

    /// Returns the owners that the lock file of each unit names.
    pub(super) fn last_owners(&self) -> Vec<LastOwners<'_>> {
        self.units.iter().map(|(_, file)| LastOwners::of(file)).collect()
    }

    /// Returns the units, in their order.
    pub(crate) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter().map(|(unit, _)| unit)
    }

    /// Returns the number of its units of a resource of a machine.
    pub(crate) fn count(&self, pool: &str, resource: &str) -> usize {
        self.units().filter(|unit| unit.pool == pool && unit.resource == resource).count()
    }

    /// Returns the variables that tell a process its units. `named` has a variable by resource besides.
    pub(crate) fn environment(&self, named: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut by_resource: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for unit in self.units() {
            by_resource.entry(&unit.resource).or_default().push(&unit.name);
        }
        let mut environment = BTreeMap::new();
        for (resource, names) in by_resource {
            let names = names.join(",");
            let usual = (resource == "gpu").then_some("CUDA_VISIBLE_DEVICES");
            if let Some(variable) = named.get(resource).map(String::as_str).or(usual) {
                environment.insert(variable.to_owned(), names.clone());
            }
            let name = resource.to_ascii_uppercase().replace('-', "_");
            environment.insert(format!("MER_RESOURCE_{name}"), names);
        }
        environment
    }
}

impl Held for UnitsGuard {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.units.iter().map(|(_, file)| file.as_fd()).collect()
    }

    fn orphan_time(&self) -> Duration {
        self.orphan_time
    }
}

impl Drop for UnitsGuard {
    fn drop(&mut self) {
        // First the claims: once the units are unlocked, others may take them over.
        if let Some(shared) = self.shared.as_ref().filter(|_| self.is_claimed.load(Ordering::Relaxed)) {
            let units: Vec<Unit> = self.units().cloned().collect();
            shared.release(&units);
        }
        for (unit, file) in &self.units {
            if self.is_handed_over.load(Ordering::Relaxed) {
                continue;
            }
            // The watcher has the file open, too, so that closing it would not unlock it.
            if let Err(error) = file.unlock() {
                tracing::warn!(%error, "{unit} could not be unlocked");
            }
        }
        // What was only tried wakes nothing: the request that has tried it would try again at once, without its pause.
        if self.is_got.load(Ordering::Relaxed) {
            self.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(units: &[(&str, &str)]) -> UnitsGuard {
        let unit = |(resource, name): &(&str, &str)| Unit {
            pool: "gpu1".to_owned(),
            resource: (*resource).to_owned(),
            name: (*name).to_owned(),
        };
        let lock = || tempfile::tempfile().expect("a file");
        let units = units.iter().map(|one| (unit(one), lock())).collect();
        UnitsGuard::new(units, None, Duration::ZERO, Arc::default())
    }

    #[test]
    fn a_process_is_told_its_units() {
        let guard = guard(&[("gpu", "0"), ("gpu", "GPU-8f2"), ("fast-disk", "a")]);
        let told = guard.environment(&BTreeMap::new());
        let expected =
            [("CUDA_VISIBLE_DEVICES", "0,GPU-8f2"), ("MER_RESOURCE_FAST_DISK", "a"), ("MER_RESOURCE_GPU", "0,GPU-8f2")];
        assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let named = BTreeMap::from([("gpu".to_owned(), "HIP_VISIBLE_DEVICES".to_owned())]);
        let told = guard.environment(&named);
        assert!(told.contains_key("HIP_VISIBLE_DEVICES") && !told.contains_key("CUDA_VISIBLE_DEVICES"));
        assert_eq!((guard.count("gpu1", "gpu"), guard.count("gpu2", "gpu")), (2, 0));
    }
}
