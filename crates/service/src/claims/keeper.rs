//! Takes, renews and releases the claims of this process.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mer_core::{Classified, FailureKind};
use mer_dal::{ClaimUnit, DalError, Database, Taken, UnitClaim};
use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use uuid::Uuid;

use super::{
    keeper_state::{KeeperOwner, KeeperState, YieldUnits},
    renewal::keep_renewed,
};

/// Bound on the release of the last claims when the process ends. The rest becomes void.
const LAST_RELEASE: Duration = Duration::from_secs(2);

/// Why claims could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The claims that this process holds could not be renewed for too long.
    #[error(
        "what this machine holds of resources that others share cannot be renewed in the database: nothing is started"
    )]
    CutOff,
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] DalError),
}

impl Classified for ClaimError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::CutOff => FailureKind::Busy,
            Self::Database(error) => error.failure_kind(),
        }
    }
}

/// Holds units of resources for the processes of this scheduler against those of other machines.
///
/// It opens the database when the first unit is taken, renews what it holds every third of its time, and asks nothing while
/// it holds nothing.
#[derive(Debug)]
pub struct ClaimKeeper {
    state: Arc<KeeperState>,
    /// Renews and releases. It is started with the first unit, and aborted when the keeper is dropped.
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for ClaimKeeper {
    fn drop(&mut self) {
        if let Some(task) = self.lock_task().take() {
            task.abort();
        }
    }
}

impl ClaimKeeper {
    /// Makes a keeper that holds nothing. Touches neither the disk nor the database.
    ///
    /// While claims cannot be renewed, or are lost to another process, `yield_units` is called again and again with the units
    /// that are affected.
    #[must_use]
    pub fn new(database: Database, owner: KeeperOwner, yield_units: YieldUnits) -> Self {
        let state = KeeperState {
            database,
            uid: Uuid::new_v4(),
            owner,
            units: Mutex::default(),
            is_cut_off: AtomicBool::new(false),
            yield_units,
            changed: Notify::new(),
            settled: Notify::new(),
            asking: tokio::sync::Mutex::default(),
        };
        Self { state: Arc::new(state), task: Mutex::default() }
    }

    /// Returns what the database calls this keeper.
    #[must_use]
    pub fn uid(&self) -> Uuid {
        self.state.uid
    }

    /// Takes all these units or none, for a process of this model; they last for this time without being renewed, see
    /// [`super::claim_lifetime`]. They are kept until [`ClaimKeeper::release`]. If the future is dropped, what was taken is
    /// released. Claims of the owners in `gone`, of which the caller knows that they use none of the units any more, are taken
    /// over if they are of this machine.
    ///
    /// # Errors
    /// The database cannot be asked, or claims could not be renewed for too long.
    pub async fn take(
        &self,
        units: &[ClaimUnit],
        model: &str,
        lasts: Duration,
        gone: &[Uuid],
    ) -> Result<Taken, ClaimError> {
        if self.state.is_cut_off.load(Ordering::Relaxed) {
            return Err(ClaimError::CutOff);
        }
        self.start_task();
        let asked = Asked { state: Arc::clone(&self.state), units: units.to_vec(), is_released: true };
        let (model, gone) = (model.to_owned(), gone.to_vec());
        // The request is awaited by a task also if this future is dropped: a database server may carry it out later than
        // the release that follows.
        let task = tokio::spawn(async move {
            let taken = asked.take(&model, lasts, &gone).await;
            (asked, taken)
        });
        let Ok((asked, taken)) = task.await else { return Err(ClaimError::CutOff) };
        asked.keep(&taken);
        taken
    }

    /// Releases units soon, in the background. A failure is repeated until their claims are void.
    pub fn release(&self, units: &[ClaimUnit]) {
        self.state.release(units);
    }

    /// Returns the claims of all processes, without void ones.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn claimed(&self) -> Result<Vec<UnitClaim>, DalError> {
        let claims = self.state.database.session().await?.list_claims().await?;
        Ok(claims.into_iter().filter(|claim| !claim.is_void).collect())
    }

    /// Tells the processes that hold these units that one of this keeper waits for them.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn want(&self, units: &[ClaimUnit]) -> Result<(), DalError> {
        self.state.database.session().await?.want_claims(units, self.state.uid).await
    }

    /// Returns the units that are held here and that other processes wait for. Asks nothing if none are held.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn wanted(&self) -> Result<Vec<ClaimUnit>, DalError> {
        if !self.state.lock_units().is_held() {
            return Ok(Vec::new());
        }
        self.state.database.session().await?.wanted_of(self.state.uid).await
    }

    /// Waits until the claims of units that are not used any more have been released, within a bound.
    pub async fn finish(&self) {
        let released = async {
            // What is being asked for is released once it was answered, if it is not used.
            drop(self.state.asking.lock().await);
            loop {
                let settled = self.state.settled.notified();
                if self.state.lock_units().to_release().is_empty() {
                    break;
                }
                self.state.changed.notify_one();
                settled.await;
            }
        };
        if timeout(LAST_RELEASE, released).await.is_err() {
            tracing::debug!("the database is slow; the last claims become void by themselves");
        }
    }

    fn start_task(&self) {
        let mut task = self.lock_task();
        // The task of an earlier runtime ended with it.
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(tokio::spawn(keep_renewed(Arc::clone(&self.state))));
        }
    }

    fn lock_task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Units that were asked for. Dropping it releases them, because their claims may have been taken.
struct Asked {
    state: Arc<KeeperState>,
    units: Vec<ClaimUnit>,
    is_released: bool,
}

impl Asked {
    async fn take(&self, model: &str, lasts: Duration, gone: &[Uuid]) -> Result<Taken, ClaimError> {
        let Self { state, units, .. } = self;
        let _asking = state.asking.lock().await;
        let begun = Instant::now();
        let session = state.database.session().await?;
        let taken = session.take_claims_over(units, &state.owner(model), lasts, gone).await?;
        if taken == Taken::All {
            state.lock_units().hold(units, lasts, begun);
            state.changed.notify_one();
        }
        Ok(taken)
    }

    /// Keeps what was taken. Without an answer from the database the units are released all the same.
    fn keep(mut self, taken: &Result<Taken, ClaimError>) {
        self.is_released = taken.is_err();
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.is_released {
            self.state.release(&self.units);
        }
    }
}
