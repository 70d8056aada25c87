//! Waits for units, in turn: first within this process, then between the processes of this machine, then between machines.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use mer_meal::{CancelLevel, until};
use tokio::{sync::Notify, time::sleep};
use uuid::Uuid;

use super::{
    ask::UnitsAsk,
    attempt::{Attempt, attempt},
    config::LimitsConfig,
    demand::{Demand, Unmet},
    error::{LimitError, LockFailure},
    guard::UnitsGuard,
    turn_queue::{QueueTicket, TurnQueue},
    unit::Unit,
    unit_locks::UnitLocks,
};
use crate::{
    jitter::jittered,
    placement::Placement,
    wait::{ReportedWait, Wait},
};

/// Pause before locks are tried again, unless units of this process become free before.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// The same as a multiple of the time that it took to try them.
const PAUSE_PER_TRY: u32 = 50;
/// Pause before units that another machine holds are claimed again.
const CLAIM_PAUSE: Duration = Duration::from_millis(400);
/// Pause between two notes of what is wanted.
const WANT_PAUSE: Duration = Duration::from_secs(5);

/// What may run at once.
#[derive(Debug)]
pub(crate) struct Limits {
    config: LimitsConfig,
    queue: TurnQueue,
    locks: UnitLocks,
    /// Notified when units of this process are free again.
    freed: Arc<Notify>,
}

/// A request while it waits.
struct Waiting<'a> {
    ask: &'a UnitsAsk<'a>,
    demand: &'a Demand,
    turn: QueueTicket<'a>,
    reported: Option<ReportedWait>,
}

impl Limits {
    pub(crate) fn new(config: LimitsConfig) -> Self {
        let locks = UnitLocks::new(config.folder.clone());
        Self { config, queue: TurnQueue::default(), locks, freed: Arc::default() }
    }

    /// Returns the name of this machine.
    pub(crate) fn host(&self) -> &str {
        &self.config.host
    }

    /// Whether a server can ever give a process what it needs.
    pub(crate) fn can_meet(&self, placement: &Placement) -> bool {
        Demand::of(placement, &self.config) != Err(Unmet)
    }

    /// Returns how many processes can have what they need on a server at once; none if nothing is limited there.
    pub(crate) fn most_at_once(&self, placement: &Placement) -> Option<usize> {
        let demand = Demand::of(placement, &self.config).ok()??;
        demand.needs.iter().map(|need| need.units.len() / need.count).min()
    }

    /// Whether other machines share what a server has, so that [`Limits::claimed`] matters for a choice.
    pub(crate) fn is_shared(&self, placement: &Placement) -> bool {
        self.config.shared.is_some() && matches!(Demand::of(placement, &self.config), Ok(Some(_)))
    }

    /// Returns the units that other processes have claimed, with the owners of the claims.
    pub(crate) async fn claimed(&self) -> Vec<(Unit, Uuid)> {
        let Some(shared) = &self.config.shared else { return Vec::new() };
        let mut claimed = shared.claimed().await;
        claimed.retain(|(_, owner)| *owner != shared.owner());
        claimed
    }

    /// Returns the number of processes that are served before one that asks now; zero if units are free or nothing is limited.
    /// `claimed` is what [`Limits::claimed`] has returned.
    pub(crate) fn waiting_before(&self, placement: &Placement, claimed: &[(Unit, Uuid)]) -> usize {
        let Ok(Some(demand)) = Demand::of(placement, &self.config) else { return 0 };
        let waiting = self.queue.waiting_for(&demand);
        if waiting == 0 && self.locks.count_free(&demand, claimed) > 0 { 0 } else { waiting + 1 }
    }

    /// Waits for the units that a process needs on a server. Returns none if nothing is limited there. The units are released
    /// when the guard is dropped.
    ///
    /// # Errors
    /// [`LimitError`].
    pub(crate) async fn acquire(&self, ask: &UnitsAsk<'_>) -> Result<Option<Arc<UnitsGuard>>, LimitError> {
        // What can never be met was refused before.
        let Ok(Some(demand)) = Demand::of(ask.placement, &self.config) else { return Ok(None) };
        let deadline = ask.queue_timeout.deadline(Instant::now());
        let unshared = Mutex::new(None);
        // On the heap, as few requests come here.
        let work = Box::pin(self.acquire_in_turn(ask, &demand, &unshared));
        let guard = tokio::select! {
            biased;
            guard = work => guard?,
            () = ask.cancel.reached(CancelLevel::Cancel) => return Err(LimitError::Cancelled),
            () = until(deadline) => {
                let (what, pool) = (demand.to_string(), demand.pool);
                let unshared = unshared.into_inner().unwrap_or_else(PoisonError::into_inner);
                return Err(LimitError::TimedOut { what, pool, bound: ask.queue_timeout, unshared });
            }
        };
        Ok(Some(Arc::new(guard)))
    }

    /// Waits for its turn and for the units. `unshared` is why they could not be claimed the last time.
    async fn acquire_in_turn(
        &self,
        ask: &UnitsAsk<'_>,
        demand: &Demand,
        unshared: &Mutex<Option<String>>,
    ) -> Result<UnitsGuard, LimitError> {
        let failed = |error: LockFailure| error.in_folder(self.locks.folder());
        self.locks.prepare().await.map_err(|error| failed(error.into()))?;
        let place = self.queue.enter(ask.model, demand, ask.priority);
        let mut waiting = Waiting { ask, demand, turn: place, reported: None };
        if !waiting.turn.has_come() {
            waiting.begin().map_err(failed)?;
            waiting.turn.come().await;
        }
        let mut turn = self.locks.turn(demand, || waiting.begin()).await.map_err(failed)?;
        let mut wanted = None;
        let mut noted: Option<Instant> = None;
        loop {
            let freed = self.freed.notified();
            let begin = Instant::now();
            let attempt = attempt(&self.config, &self.locks, &self.freed, ask, demand).await?;
            if !matches!(attempt, Attempt::Got(_)) {
                waiting.begin().map_err(failed)?;
            }
            *unshared.lock().unwrap_or_else(PoisonError::into_inner) = match &attempt {
                Attempt::Unshared(why) => why.clone(),
                _ => None,
            };
            let pause = match attempt {
                Attempt::Got(guard) => return Ok(guard),
                Attempt::Short { resource, missing, held } => {
                    if wanted.is_none() {
                        let said = self.locks.want(&demand.pool, &resource);
                        wanted = said.map_err(|error| failed(error.into()))?;
                    }
                    ask.room.make_room(&demand.pool, &resource, missing);
                    if !held.is_empty()
                        && noted.is_none_or(|noted| noted.elapsed() >= WANT_PAUSE)
                        && let Some(shared) = &self.config.shared
                    {
                        shared.want(&held).await;
                        noted = Some(Instant::now());
                    }
                    if held.is_empty() {
                        LOCK_PAUSE.max(begin.elapsed() * PAUSE_PER_TRY)
                    } else {
                        jittered(CLAIM_PAUSE)
                    }
                }
                Attempt::Unshared(_) => jittered(CLAIM_PAUSE * 2),
            };
            tokio::select! {
                () = freed => {}
                () = sleep(pause) => {}
            }
            if !waiting.turn.has_come() {
                // A request of a higher priority has come, and goes first.
                drop((turn, wanted.take()));
                waiting.turn.come().await;
                turn = self.locks.turn(demand, || waiting.begin()).await.map_err(failed)?;
            }
        }
    }

    /// Returns those of these units that other processes of this machine, or other machines, wait for.
    pub(crate) async fn wanted(&self, idle: &[Unit]) -> Vec<Unit> {
        let mut wanted: Vec<Unit> = match &self.config.shared {
            Some(shared) => shared.wanted().await,
            None => Vec::new(),
        };
        wanted.retain(|unit| idle.contains(unit));
        for unit in idle {
            let is_known = wanted.iter().any(|known| (&known.pool, &known.resource) == (&unit.pool, &unit.resource));
            if !is_known && self.locks.is_wanted(&unit.pool, &unit.resource) {
                wanted.push(unit.clone());
            }
        }
        wanted
    }
}

impl Waiting<'_> {
    /// Reports that it waits, once.
    fn begin(&mut self) -> Result<(), LockFailure> {
        if self.reported.is_none() {
            self.turn.wait(self.ask.queue_length).map_err(|queued| LockFailure::Full { queued })?;
            let wait = || Wait::Units {
                units: self.demand.to_string(),
                pool: self.demand.pool.clone(),
                queue_timeout: self.ask.queue_timeout,
            };
            self.reported = Some(ReportedWait::begin(self.ask.observer, wait));
        }
        Ok(())
    }
}
