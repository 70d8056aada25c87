//! Claims of units of resources.

use std::{collections::BTreeSet, time::Duration};

use uuid::Uuid;

use super::{Store, ask};
use crate::{
    ClaimOwner, ClaimUnit, DalError, Taken, UnitClaim,
    backend::{AskedClaims, ClaimBackend as _, TAKE_CLAIMS},
    retry::until_written,
};

impl Store {
    /// Takes the claims of all these units, or of none of them, for this time by the server's clock. A claim whose time has
    /// passed is taken over. Taking a claim again renews it. The database confirms what it returns by reading it back.
    ///
    /// If this fails, the claims may have been taken all the same: release them, or let them run out.
    ///
    /// # Errors
    /// As [`Store::apply`]; [`DalError::Rights`] if the user may not write them.
    pub async fn take_claims(
        &self,
        units: &[ClaimUnit],
        owner: &ClaimOwner,
        lasts: Duration,
    ) -> Result<Taken, DalError> {
        self.take_claims_over(units, owner, lasts, &[]).await
    }

    /// As [`Store::take_claims`]. Claims of the owners in `gone` are taken over too, within the same transaction and if they are
    /// of the same host: the caller knows that these owners use none of the units any more.
    ///
    /// # Errors
    /// As [`Store::take_claims`].
    pub async fn take_claims_over(
        &self,
        units: &[ClaimUnit],
        owner: &ClaimOwner,
        lasts: Duration,
        gone: &[Uuid],
    ) -> Result<Taken, DalError> {
        let units = ordered(units);
        if units.is_empty() {
            return Ok(Taken::All);
        }
        let asked = AskedClaims { units: &units, owner, lasts, gone };
        ask!(self, backend => until_written(TAKE_CLAIMS, || backend.try_take_claims(asked)))
    }

    /// Renews the claims of these units for this time from now on, by the server's clock. Returns those that are lost: their
    /// time had passed, or another process holds them. A lost claim does not come back by itself.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn renew_claims(
        &self,
        owner: Uuid,
        units: &[ClaimUnit],
        lasts: Duration,
    ) -> Result<Vec<ClaimUnit>, DalError> {
        let mut lost = ordered(units);
        if !lost.is_empty() {
            let renewed: BTreeSet<ClaimUnit> =
                ask!(self, backend => backend.renew_claims(owner, &lost, lasts))?.into_iter().collect();
            lost.retain(|unit| !renewed.contains(unit));
        }
        Ok(lost)
    }

    /// Releases those of these units that the process holds.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn release_claims(&self, owner: Uuid, units: &[ClaimUnit]) -> Result<(), DalError> {
        match ordered(units) {
            units if units.is_empty() => Ok(()),
            units => ask!(self, backend => backend.release_claims(owner, &units)),
        }
    }

    /// Returns every claim, void ones included, ordered by unit.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn list_claims(&self) -> Result<Vec<UnitClaim>, DalError> {
        ask!(self, backend => backend.list_claims())
    }

    /// Notes that a process waits for these units, which others hold, for [`crate::WANTED_TTL`].
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn want_claims(&self, units: &[ClaimUnit], by: Uuid) -> Result<(), DalError> {
        match ordered(units) {
            units if units.is_empty() => Ok(()),
            units => ask!(self, backend => backend.want_claims(&units, by)),
        }
    }

    /// Returns the units that this process holds and others wait for, in order.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn wanted_of(&self, owner: Uuid) -> Result<Vec<ClaimUnit>, DalError> {
        ask!(self, backend => backend.wanted_of(owner))
    }

    /// Removes claims whose time has passed; returns how many.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn clear_void_claims(&self) -> Result<u64, DalError> {
        ask!(self, backend => backend.clear_void_claims())
    }

    /// Returns a number that grows with each change of servers, models and aliases.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn registry_revision(&self) -> Result<u64, DalError> {
        ask!(self, backend => backend.registry_revision())
    }
}

/// Returns the units in the order in which every process locks them, each once.
fn ordered(units: &[ClaimUnit]) -> Vec<ClaimUnit> {
    units.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect()
}
