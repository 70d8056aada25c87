//! Limits that machines share, as far as the scheduler needs them.

use std::{fmt, pin::Pin, time::Duration};

use mer_core::FailureKind;
use thiserror::Error;
use uuid::Uuid;

use super::unit::Unit;

/// What an operation on shared limits returns.
pub type SharedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A claim of units that machines share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedClaim {
    /// The units, in their order. All of them are claimed, or none.
    pub units: Vec<Unit>,
    /// Name of the model that needs them.
    pub model: String,
    /// How long the claim holds without being renewed.
    pub lasts: Duration,
    /// Owners of this machine that use none of the units any more. Their claims are taken over at once.
    pub gone: Vec<Uuid>,
}

/// Outcome of an attempt to claim units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedTake {
    /// All of them are claimed, and the claim is renewed until they are released.
    Taken,
    /// None is claimed: other processes hold these.
    Held(Vec<Unit>),
}

/// Why units could not be claimed.
#[derive(Debug, Clone, Error)]
#[error("{message}")]
pub struct SharedLimitsError {
    /// Kind of the failure.
    pub kind: FailureKind,
    /// Sentence for the user.
    pub message: String,
    /// Whether the failure may be over soon, so that another attempt is worthwhile.
    pub is_passing: bool,
}

/// Limits that machines share: claims of units, which are renewed while they are held. Nothing of it is called for a process
/// that no limit applies to.
///
/// A claim that can no longer be renewed is made known by [`crate::Scheduler::yield_units`], which ends the idle processes that
/// hold its units. Until claims can be renewed again, `take` returns an error that is passing.
pub trait SharedLimits: fmt::Debug + Send + Sync {
    /// Returns what distinguishes the owner of these claims from every other process.
    fn owner(&self) -> Uuid;

    /// Returns the units that are claimed at the moment, with the owners of the claims; none if that cannot be found out soon.
    fn claimed(&self) -> SharedFuture<'_, Vec<(Unit, Uuid)>>;

    /// Claims units. If the future is dropped, the units are released.
    fn take<'a>(&'a self, claim: &'a SharedClaim) -> SharedFuture<'a, Result<SharedTake, SharedLimitsError>>;

    /// Releases units. Returns at once; a release is made in the order of the calls, after a `take` of the same units that is
    /// still in progress. Units that are not claimed are left alone.
    fn release(&self, units: &[Unit]);

    /// Notes that a process waits for these units, which others hold. Errors are left to the next call.
    fn want<'a>(&'a self, units: &'a [Unit]) -> SharedFuture<'a, ()>;

    /// Returns the units that this process holds and others wait for; none if that cannot be found out.
    fn wanted(&self) -> SharedFuture<'_, Vec<Unit>>;
}
