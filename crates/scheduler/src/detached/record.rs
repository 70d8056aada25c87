//! Detached runs on record. They are written to the database itself and not to a journal, whose drain would take them for lost.

use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mer_core::{Access, DetachedRun};
use mer_dal::{ClaimOwner, ClaimUnit, DalError, Database, Session, Store};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::limits::UnitsGuard;

/// How long the process that starts a run excludes others from collecting it, unless it renews that.
const STARTING: Duration = Duration::from_secs(90);
/// Pause between two renewals.
const RENEWAL: Duration = Duration::from_secs(30);

/// How long the session stays open after the run was put on record, and others wait for an embedded database. Most starts take less,
/// and need no second session.
const HELD: Duration = Duration::from_millis(300);

/// Writes one detached run to the database while it is started.
#[derive(Debug)]
pub(super) struct DetachedRecord<'a> {
    database: &'a Database,
    /// Distinguishes this start from every other process that may collect the run.
    collector: Uuid,
    /// The session that put the run on record.
    held: Mutex<Option<Session>>,
    is_added: Notify,
}

impl<'a> DetachedRecord<'a> {
    /// A record that has nothing yet.
    pub(super) fn new(database: &'a Database) -> Self {
        Self { database, collector: Uuid::new_v4(), held: Mutex::default(), is_added: Notify::new() }
    }

    /// Puts the run and the start of its access on record. Claims of its units become those of the run.
    pub(super) async fn add(
        &self,
        run: &DetachedRun,
        lasts: Duration,
        access: &Access,
        units: Option<&UnitsGuard>,
    ) -> Result<(), DalError> {
        let session = self.database.session().await?;
        let added = async {
            session.add_detached(run, lasts, access).await?;
            session.take_detached(run.key(), self.collector, STARTING).await?;
            let (Some(units), Some(claim)) = (units, run.claim) else { return Ok(()) };
            let Some(owner) = units.claimed_by() else { return Ok(()) };
            let of_run = ClaimOwner {
                uid: claim,
                host: run.host.clone(),
                pid: access.caller_pid,
                caller: access.caller.clone(),
                model: access.model.clone(),
            };
            session.take_claims_over(&claim_units(units), &of_run, lasts, &[owner]).await.map(drop)
        };
        match added.await {
            Ok(()) => {
                self.held.lock().unwrap_or_else(PoisonError::into_inner).replace(session);
                self.is_added.notify_one();
            }
            Err(error) => {
                let _ = session.close().await;
                return Err(error);
            }
        }
        if let Some(units) = units.filter(|_| run.claim.is_some()) {
            units.claims_moved();
        }
        Ok(())
    }

    /// Excludes others from collecting the run for as long as this is polled, and closes the session after a moment.
    pub(super) async fn keep_starting(&self, run: &DetachedRun) -> Infallible {
        self.is_added.notified().await;
        tokio::time::sleep(HELD).await;
        if let Some(session) = self.held()
            && let Err(error) = session.close().await
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "the session of a start did not close well");
        }
        loop {
            tokio::time::sleep(RENEWAL).await;
            let taken = async |store: &Store| store.take_detached(run.key(), self.collector, STARTING).await.map(drop);
            if let Err(error) = self.in_session(taken).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "the start of a run was not renewed");
            }
        }
    }

    /// Puts on record where the run is, and lets others collect it.
    pub(super) async fn placed(&self, run: &DetachedRun) -> Result<(), DalError> {
        self.in_session(async |store| {
            store.update_detached(run).await?;
            store.leave_detached(run.key(), self.collector).await
        })
        .await
    }

    /// Puts the end of a run on record that was not started. Its claims are released.
    pub(super) async fn end(
        &self,
        run: &DetachedRun,
        access: &Access,
        units: Option<&UnitsGuard>,
    ) -> Result<(), DalError> {
        self.in_session(async |store| {
            store.close_detached(self.collector, access, None).await?;
            match (units, run.claim) {
                (Some(units), Some(claim)) => store.release_claims(claim, &claim_units(units)).await,
                _ => Ok(()),
            }
        })
        .await
    }

    fn held(&self) -> Option<Session> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn in_session<T>(&self, work: impl AsyncFnOnce(&Store) -> Result<T, DalError>) -> Result<T, DalError> {
        let session = match self.held() {
            Some(session) => session,
            None => self.database.session().await?,
        };
        let done = work(&session).await;
        let closed = session.close().await;
        // Why the work failed matters more than how the session closed.
        let done = done?;
        closed.map(|()| done)
    }
}

fn claim_units(units: &UnitsGuard) -> Vec<ClaimUnit> {
    let claim = |unit: &crate::Unit| ClaimUnit {
        pool: unit.pool.clone(),
        resource: unit.resource.clone(),
        unit: unit.name.clone(),
    };
    units.units().map(claim).collect()
}
