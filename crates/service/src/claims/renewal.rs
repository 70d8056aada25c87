//! The task that renews and releases claims.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mer_dal::{ClaimUnit, DalError, Store, Taken, UnitClaim};
use tokio::time::{sleep, sleep_until, timeout};

use super::keeper_state::KeeperState;

/// Pause after a failure, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Maximum pause; each failure doubles it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Bound on one attempt; of claims that last for less than 90 s, a sixth of that time. So there are two attempts before claims
/// are overdue, also if the database does not answer.
const LONGEST_TRY: Duration = Duration::from_secs(15);

/// Renews what is held after each third of its time, and releases what is not used any more. Ends only when it is aborted;
/// while nothing is held, it only waits.
pub(super) async fn keep_renewed(state: Arc<KeeperState>) {
    let mut failures = Failures::default();
    loop {
        let (renewal, lost) = {
            let units = state.lock_units();
            (units.next_renewal(), units.lost())
        };
        let is_due = async {
            match renewal {
                // A process that is busy now may be idle soon.
                Some(_) if !lost.is_empty() => sleep(LONGEST_PAUSE).await,
                Some(time) => sleep_until(time.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = state.changed.notified() => {}
            () = is_due => {}
        }
        while !state.lock_units().is_empty() {
            let is_due = state.lock_units().next_renewal().is_some_and(|time| time <= Instant::now());
            let bound = state.lock_units().shortest().map_or(LONGEST_TRY, |lasts| (lasts / 6).min(LONGEST_TRY));
            match timeout(bound, look_after(&state, is_due)).await {
                Ok(Ok(())) => {
                    failures = Failures::default();
                    state.stands(false);
                    break;
                }
                Ok(Err(error)) => failures.pause(&state, &error.to_string()).await,
                Err(_) => failures.pause(&state, "the database does not answer").await,
            }
        }
        if state.lock_units().is_empty() {
            failures = Failures::default();
            state.stands(false);
        }
        state.settled.notify_waiters();
    }
}

/// Releases what is not used any more, and renews the rest if it is time.
async fn look_after(state: &KeeperState, is_due: bool) -> Result<(), DalError> {
    let _asking = state.asking.lock().await;
    let unused = state.lock_units().to_release();
    if unused.is_empty() && !is_due {
        return Ok(());
    }
    let session = state.database().session().await?;
    session.release_claims(state.uid(), &unused).await?;
    state.lock_units().released(&unused);
    state.settled.notify_waiters();
    if !is_due {
        return Ok(());
    }
    let groups = state.lock_units().by_lifetime();
    for (lasts, units) in groups {
        let begun = Instant::now();
        let lost = session.renew_claims(state.uid(), &units, lasts).await?;
        let kept: Vec<ClaimUnit> = units.into_iter().filter(|unit| !lost.contains(unit)).collect();
        state.lock_units().renewed(&kept, begun);
        for unit in lost {
            regain(state, &session, unit, lasts).await?;
        }
    }
    Ok(())
}

/// Takes a claim again that has become void while its unit is in use here.
async fn regain(state: &KeeperState, store: &Store, unit: ClaimUnit, lasts: Duration) -> Result<(), DalError> {
    let begun = Instant::now();
    let taken = store.take_claims(std::slice::from_ref(&unit), &state.owner(""), lasts).await?;
    let mut units = state.lock_units();
    // Looked at again at the next renewal, in either case.
    units.renewed(std::slice::from_ref(&unit), begun);
    if let Taken::Held(claims) = taken
        && units.lose(unit.clone())
        && let Some(claim) = claims.first()
    {
        drop(units);
        warn_of_other_user(&unit, claim);
    }
    Ok(())
}

fn warn_of_other_user(unit: &ClaimUnit, claim: &UnitClaim) {
    let ClaimUnit { pool, resource, unit } = unit;
    let (host, pid) = (&claim.owner.host, claim.owner.pid);
    tracing::warn!(
        "the claim of `{resource}` `{unit}` of `{pool}` ran out while the database could not be reached, and process {pid} on \
         `{host}` has it now: until the process that uses it here has ended, more may run there than `{resource}` allows"
    );
}

/// The failures since claims were last renewed.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    /// The units of which it was said that their claims have run out.
    told: Vec<ClaimUnit>,
}

impl Failures {
    /// Notes that claims could not be renewed or released, and pauses.
    async fn pause(&mut self, state: &KeeperState, error: &str) {
        tracing::debug!(error, "claims of units could not be renewed");
        let now = Instant::now();
        let (overdue, void) = {
            let units = state.lock_units();
            (units.is_overdue(now), units.void(now))
        };
        state.stands(overdue);
        if let Some(unit) = void.iter().find(|unit| !self.told.contains(unit)) {
            let ClaimUnit { pool, resource, .. } = unit;
            tracing::warn!(
                "claims of `{resource}` of `{pool}` could not be renewed in time ({error}): until the processes that use it here \
                 have ended, more may run there than `{resource}` allows"
            );
            self.told = void;
        }
        state.settled.notify_waiters();
        let pause = FIRST_PAUSE.saturating_mul(1 << self.count.min(8)).min(LONGEST_PAUSE);
        self.count += 1;
        sleep(pause).await;
    }
}
