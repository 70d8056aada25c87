//! Runs that outlive their caller.

use std::time::Duration;

use mer_core::{Access, AttemptKey, DetachedRun};
use uuid::Uuid;

use super::{Store, ask};
use crate::{DalError, NextAttempt, backend::DetachedBackend as _};

impl Store {
    /// Puts a run that outlives its caller on record, together with the start of its access. It is to be collected within
    /// `lasts` from now on, by the clock of the database; times in `run` are ignored. Repeating it changes nothing.
    ///
    /// No drain of a journal closes such an access as `lost`.
    ///
    /// # Errors
    /// As [`Store::apply`]; [`DalError::Rights`] if the user may not write it.
    pub async fn add_detached(&self, run: &DetachedRun, lasts: Duration, access: &Access) -> Result<(), DalError> {
        ask!(self, backend => backend.add_detached(run, lasts, access))
    }

    /// Replaces what became known of a run since it was put on record: machine, boot, folder, job, claim and parameters.
    /// Returns false if its end is on record already.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn update_detached(&self, run: &DetachedRun) -> Result<bool, DalError> {
        ask!(self, backend => backend.update_detached(run))
    }

    /// Returns every run whose end is not on record, ordered by key.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn detached_runs(&self) -> Result<Vec<DetachedRun>, DalError> {
        ask!(self, backend => backend.detached_runs())
    }

    /// Takes the collecting of a run for this time from now on, by the clock of the database. Returns false if another process
    /// has it and its time has not passed, or if the end of the run is on record. Taking it again renews it.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn take_detached(&self, key: AttemptKey, collector: Uuid, lasts: Duration) -> Result<bool, DalError> {
        ask!(self, backend => backend.take_detached(key, collector, lasts))
    }

    /// Lets other processes collect a run that this one has taken.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn leave_detached(&self, key: AttemptKey, collector: Uuid) -> Result<(), DalError> {
        ask!(self, backend => backend.leave_detached(key, collector))
    }

    /// Removes a run and puts the end of its access on record, together with the start of the attempt that follows it, if there
    /// is one: in one transaction. Returns false, and changes nothing, if this process does not collect it any more.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn close_detached(
        &self,
        collector: Uuid,
        access: &Access,
        next: Option<&NextAttempt>,
    ) -> Result<bool, DalError> {
        ask!(self, backend => backend.close_detached(collector, access, next))
    }
}
