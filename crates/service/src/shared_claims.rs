//! The scheduler's view of units that machines share: claims in a database on a server.

use std::{sync::Weak, time::Duration};

use mer_core::{Classified as _, FailureKind};
use mer_dal::{ClaimUnit, Database, Taken};
use mer_scheduler::{Scheduler, SharedClaim, SharedFuture, SharedLimits, SharedLimitsError, SharedTake, Unit};
use tokio::time::timeout;
use uuid::Uuid;

use crate::claims::{ClaimError, ClaimKeeper, KeeperOwner};

/// Bound on a look at all claims, which only helps to choose a server.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// Claims units for the processes of a scheduler.
#[derive(Debug)]
pub(crate) struct SharedClaims(ClaimKeeper);

impl SharedClaims {
    /// Claims that yield idle processes of this scheduler when they cannot be renewed.
    pub(crate) fn new(database: Database, owner: KeeperOwner, scheduler: Weak<Scheduler>) -> Self {
        let yields = move |units: &[ClaimUnit]| {
            if let Some(scheduler) = scheduler.upgrade() {
                scheduler.yield_units(&units.iter().map(unit).collect::<Vec<_>>());
            }
        };
        Self(ClaimKeeper::new(database, owner, Box::new(yields)))
    }

    /// Waits until the claims of units that are not used any more have been released, within a bound.
    pub(crate) async fn finish(&self) {
        self.0.finish().await;
    }
}

impl SharedLimits for SharedClaims {
    fn owner(&self) -> Uuid {
        self.0.uid()
    }

    fn claimed(&self) -> SharedFuture<'_, Vec<(Unit, Uuid)>> {
        Box::pin(async move {
            let claims = match timeout(LONGEST_LOOK, self.0.claimed()).await {
                Ok(Ok(claims)) => claims,
                Ok(Err(error)) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "what others have claimed is unknown");
                    Vec::new()
                }
                Err(_) => Vec::new(),
            };
            claims.iter().map(|claim| (unit(&claim.unit), claim.owner.uid)).collect()
        })
    }

    fn take<'a>(&'a self, claim: &'a SharedClaim) -> SharedFuture<'a, Result<SharedTake, SharedLimitsError>> {
        Box::pin(async move {
            match self.0.take(&claim_units(&claim.units), &claim.model, claim.lasts, &claim.gone).await {
                Ok(Taken::All) => Ok(SharedTake::Taken),
                Ok(Taken::Held(claims)) => Ok(SharedTake::Held(claims.iter().map(|claim| unit(&claim.unit)).collect())),
                Err(error) => Err(shared_error(&error)),
            }
        })
    }

    fn release(&self, units: &[Unit]) {
        self.0.release(&claim_units(units));
    }

    fn want<'a>(&'a self, units: &'a [Unit]) -> SharedFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.0.want(&claim_units(units)).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "no other machine learns what is wanted");
            }
        })
    }

    fn wanted(&self) -> SharedFuture<'_, Vec<Unit>> {
        Box::pin(async move {
            let wanted = self.0.wanted().await.unwrap_or_else(|error| {
                tracing::debug!(error = &error as &dyn std::error::Error, "what other machines want is unknown");
                Vec::new()
            });
            wanted.iter().map(unit).collect()
        })
    }
}

/// Returns the error with its causes as one sentence.
fn shared_error(error: &ClaimError) -> SharedLimitsError {
    let kind = error.failure_kind();
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        message = format!("{message}: {source}");
        cause = source.source();
    }
    SharedLimitsError { kind, message, is_passing: matches!(kind, FailureKind::Busy | FailureKind::Io) }
}

fn claim_units(units: &[Unit]) -> Vec<ClaimUnit> {
    let claim =
        |unit: &Unit| ClaimUnit { pool: unit.pool.clone(), resource: unit.resource.clone(), unit: unit.name.clone() };
    units.iter().map(claim).collect()
}

fn unit(unit: &ClaimUnit) -> Unit {
    Unit { pool: unit.pool.clone(), resource: unit.resource.clone(), name: unit.unit.clone() }
}
