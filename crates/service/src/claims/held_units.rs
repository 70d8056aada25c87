//! Which units this process holds, by what the database said last.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use mer_dal::ClaimUnit;

/// The units that this process holds or has to release.
#[derive(Debug, Default)]
pub(super) struct HeldUnits {
    /// By unit: for how long its claim lasts, and when it was taken or renewed last.
    held: BTreeMap<ClaimUnit, (Duration, Instant)>,
    /// Units that nothing here uses any more, and whose claims may still be there.
    releasing: BTreeSet<ClaimUnit>,
    /// Units in use whose claims other processes hold.
    lost: BTreeSet<ClaimUnit>,
}

impl HeldUnits {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.releasing.is_empty()
    }

    pub(super) fn is_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Notes that claims were taken or renewed at this time.
    pub(super) fn hold(&mut self, units: &[ClaimUnit], lasts: Duration, at: Instant) {
        for unit in units {
            self.lost.remove(unit);
            self.releasing.remove(unit);
            self.held.insert(unit.clone(), (lasts, at));
        }
    }

    /// As [`HeldUnits::hold`], for units that were released meanwhile: these stay released.
    pub(super) fn renewed(&mut self, units: &[ClaimUnit], at: Instant) {
        for unit in units {
            if let Some((_, renewed)) = self.held.get_mut(unit) {
                *renewed = at;
                self.lost.remove(unit);
            }
        }
    }

    /// Notes that claims of units that are in use here belong to other processes.
    pub(super) fn lose(&mut self, unit: ClaimUnit) -> bool {
        self.held.contains_key(&unit) && self.lost.insert(unit)
    }

    /// Notes that these units are not used any more.
    pub(super) fn release(&mut self, units: &[ClaimUnit]) {
        for unit in units {
            self.held.remove(unit);
            self.lost.remove(unit);
            self.releasing.insert(unit.clone());
        }
    }

    pub(super) fn to_release(&self) -> Vec<ClaimUnit> {
        self.releasing.iter().cloned().collect()
    }

    /// Notes that these claims are gone from the database.
    pub(super) fn released(&mut self, units: &[ClaimUnit]) {
        self.releasing.retain(|unit| !units.contains(unit));
    }

    pub(super) fn held(&self) -> Vec<ClaimUnit> {
        self.held.keys().cloned().collect()
    }

    pub(super) fn lost(&self) -> Vec<ClaimUnit> {
        self.lost.iter().cloned().collect()
    }

    /// Returns the units by the time for which their claims last. Those that are lost are among them: their owners may release
    /// them.
    pub(super) fn by_lifetime(&self) -> BTreeMap<Duration, Vec<ClaimUnit>> {
        let mut groups: BTreeMap<Duration, Vec<ClaimUnit>> = BTreeMap::new();
        for (unit, (lasts, _)) in &self.held {
            groups.entry(*lasts).or_default().push(unit.clone());
        }
        groups
    }

    /// Returns the shortest time for which a claim lasts.
    pub(super) fn shortest(&self) -> Option<Duration> {
        self.held.values().map(|(lasts, _)| *lasts).min()
    }

    /// Returns when the first third of a claim's time is over.
    pub(super) fn next_renewal(&self) -> Option<Instant> {
        self.held.values().filter_map(|(lasts, renewed)| renewed.checked_add(*lasts / 3)).min()
    }

    /// Returns whether two thirds of a claim's time have passed.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.held.values().any(|(lasts, renewed)| now.saturating_duration_since(*renewed) >= *lasts / 3 * 2)
    }

    /// Returns the units whose time has passed.
    pub(super) fn void(&self, now: Instant) -> Vec<ClaimUnit> {
        let void = self.held.iter().filter(|(_, (lasts, renewed))| now.saturating_duration_since(*renewed) >= *lasts);
        void.map(|(unit, _)| unit.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> ClaimUnit {
        ClaimUnit { pool: "p".to_owned(), resource: "gpu".to_owned(), unit: name.to_owned() }
    }

    #[test]
    fn claims_are_renewed_after_a_third_and_overdue_after_two() {
        let (begun, lasts) = (Instant::now(), Duration::from_secs(90));
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut units = HeldUnits::default();
        assert_eq!(units.next_renewal(), None);
        units.hold(&[unit("a")], lasts, begun);
        units.hold(&[unit("b")], lasts * 2, begun);
        assert_eq!(units.next_renewal(), Some(after(30)));
        assert!(!units.is_overdue(after(59)) && units.is_overdue(after(60)));
        assert_eq!((units.void(after(89)), units.void(after(90))), (vec![], vec![unit("a")]));
        units.renewed(&[unit("a"), unit("other")], after(30));
        assert_eq!(units.next_renewal(), Some(after(60)));
        assert_eq!(units.by_lifetime().len(), 2);
    }

    #[test]
    fn a_unit_that_was_released_is_neither_lost_nor_renewed() {
        let mut units = HeldUnits::default();
        units.hold(&[unit("a")], Duration::from_secs(90), Instant::now());
        assert!(units.lose(unit("a")) && !units.lose(unit("a")) && !units.lose(unit("b")));
        assert_eq!(units.lost(), [unit("a")]);
        units.release(&[unit("a")]);
        units.renewed(&[unit("a")], Instant::now());
        assert!(!units.lose(unit("a")) && !units.is_held() && !units.is_empty());
        assert_eq!((units.lost(), units.to_release()), (vec![], vec![unit("a")]));
        units.hold(&[unit("a")], Duration::from_secs(90), Instant::now());
        assert_eq!(units.to_release(), []);
        units.release(&[unit("a")]);
        units.released(&[unit("a")]);
        assert!(units.is_empty());
    }
}
