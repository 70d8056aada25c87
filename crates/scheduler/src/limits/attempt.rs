//! One attempt to get units: their locks on this machine, and their claims where machines share them.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{
    ask::UnitsAsk,
    config::LimitsConfig,
    demand::Demand,
    error::{LimitError, LimitsError, LockFailure},
    guard::UnitsGuard,
    shared::{SharedClaim, SharedTake},
    unit::Unit,
    unit_locks::{Tried, UnitLocks},
};

/// What an attempt to get units found.
pub(super) enum Attempt {
    Got(UnitsGuard),
    /// Too few units of this resource are free: processes of this machine hold them, or other machines the ones in `held`.
    Short {
        resource: String,
        missing: usize,
        held: Vec<Unit>,
    },
    /// Claims cannot be made at the moment, for this reason if the database gave one.
    Unshared(Option<String>),
}

/// Tries to get the units once.
pub(super) async fn attempt(
    config: &LimitsConfig,
    locks: &UnitLocks,
    freed: &Arc<Notify>,
    ask: &UnitsAsk<'_>,
    demand: &Demand,
) -> Result<Attempt, LimitError> {
    let mut held: Vec<Unit> = Vec::new();
    loop {
        let tried = locks.try_take(demand, &held);
        let tried = tried.map_err(|error| LockFailure::from(error).in_folder(locks.folder()))?;
        let locked = match tried {
            Tried::Locked(locked) => locked,
            Tried::Missing { resource, count } => return Ok(Attempt::Short { resource, missing: count, held }),
        };
        let guard = UnitsGuard::new(locked, config.shared.clone(), ask.orphan_time(), Arc::clone(freed));
        let Some(shared) = &config.shared else {
            guard.got();
            return Ok(Attempt::Got(guard));
        };
        let owner = shared.owner();
        let mut owners = guard.last_owners();
        let claim = SharedClaim {
            units: guard.units().cloned().collect(),
            model: ask.model.to_owned(),
            lasts: ask.claim_lifetime(),
            gone: owners.iter().flat_map(|of_unit| of_unit.iter()).filter(|gone| *gone != owner).collect(),
        };
        // Before the claim, so that its owner is known if it is killed while it takes it.
        owners.iter_mut().for_each(|of_unit| of_unit.add(owner, ask.is_here()));
        match shared.take(&claim).await {
            Ok(SharedTake::Taken) => {
                owners.iter_mut().for_each(|of_unit| of_unit.keep_only(owner));
                drop(owners);
                guard.got();
                return Ok(Attempt::Got(guard));
            }
            Ok(SharedTake::Held(mut units)) => {
                guard.not_claimed();
                units.retain(|unit| !held.contains(unit));
                if units.is_empty() {
                    return Ok(Attempt::Unshared(None));
                }
                held.append(&mut units);
            }
            Err(error) if error.is_passing => {
                tracing::debug!(%error, "units could not be claimed");
                return Ok(Attempt::Unshared(Some(error.message)));
            }
            Err(error) => return Err(LimitsError::from(error).into()),
        }
    }
}
