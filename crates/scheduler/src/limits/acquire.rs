//! Waits for units, in turn: first within this process, then between the processes of this machine, then between machines.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::{Bound, ConnType};
use mer_meal::{Cancel, CancelLevel, until};
use tokio::{sync::Notify, time::sleep};

use super::{
    config::LimitsConfig,
    demand::{Demand, Unmet},
    error::{LimitError, LimitsError, LockFailure},
    evictor::MakeRoom,
    guard::UnitsGuard,
    shared::{SharedClaim, SharedLimits, SharedTake},
    turn_queue::{QueueTicket, TurnQueue},
    unit::Unit,
    unit_locks::{Tried, UnitLocks},
};
use crate::{
    WaitObserver,
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
/// How long a claim holds at least without being renewed.
const LEAST_CLAIM: Duration = Duration::from_secs(90);
/// How long a claim outlasts the process that it is for.
const CLAIM_MARGIN: Duration = Duration::from_secs(30);
/// The time that stands for an `orphanAfter` of `none`.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// What may run at once.
#[derive(Debug)]
pub(crate) struct Limits {
    config: LimitsConfig,
    queue: TurnQueue,
    locks: UnitLocks,
    /// Notified when units of this process are free again.
    freed: Arc<Notify>,
}

/// A request for units.
#[derive(Debug)]
pub(crate) struct UnitsAsk<'a> {
    pub(crate) model: &'a str,
    pub(crate) placement: &'a Placement,
    /// The default of `orphanAfter`.
    pub(crate) orphan_after: Bound,
    pub(crate) priority: i8,
    pub(crate) queue_length: usize,
    pub(crate) queue_timeout: Bound,
    pub(crate) cancel: &'a Cancel,
    pub(crate) observer: Option<&'a WaitObserver>,
    pub(crate) room: &'a dyn MakeRoom,
}

/// A request while it waits.
struct Waiting<'a> {
    ask: &'a UnitsAsk<'a>,
    demand: &'a Demand,
    turn: QueueTicket<'a>,
    reported: Option<ReportedWait>,
}

/// What an attempt to get units found.
enum Attempt {
    Got(UnitsGuard),
    /// Too few units of this resource are free: processes of this machine hold them, or other machines the ones in `held`.
    Short {
        resource: String,
        missing: usize,
        held: Vec<Unit>,
    },
    /// Claims cannot be made at the moment.
    Unshared,
}

impl Limits {
    pub(crate) fn new(config: LimitsConfig) -> Self {
        let locks = UnitLocks::new(config.folder.clone());
        Self { config, queue: TurnQueue::default(), locks, freed: Arc::default() }
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

    /// Returns the number of processes that are served before one that asks now; zero if units are free or nothing is limited.
    pub(crate) fn waiting_before(&self, placement: &Placement) -> usize {
        let Ok(Some(demand)) = Demand::of(placement, &self.config) else { return 0 };
        let waiting = self.queue.waiting_for(&demand);
        if waiting == 0 && self.locks.count_free(&demand) > 0 { 0 } else { waiting + 1 }
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
        // On the heap, as few requests come here.
        let work = Box::pin(self.acquire_in_turn(ask, &demand));
        let guard = tokio::select! {
            biased;
            guard = work => guard?,
            () = ask.cancel.reached(CancelLevel::Cancel) => return Err(LimitError::Cancelled),
            () = until(deadline) => {
                let (what, pool) = (demand.to_string(), demand.pool);
                return Err(LimitError::TimedOut { what, pool, bound: ask.queue_timeout });
            }
        };
        Ok(Some(Arc::new(guard)))
    }

    async fn acquire_in_turn(&self, ask: &UnitsAsk<'_>, demand: &Demand) -> Result<UnitsGuard, LimitError> {
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
            let attempt = self.attempt(ask, demand).await?;
            if !matches!(attempt, Attempt::Got(_)) {
                waiting.begin().map_err(failed)?;
            }
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
                Attempt::Unshared => jittered(CLAIM_PAUSE * 2),
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

    /// Tries to get the units once.
    async fn attempt(&self, ask: &UnitsAsk<'_>, demand: &Demand) -> Result<Attempt, LimitError> {
        let mut held: Vec<Unit> = Vec::new();
        loop {
            let tried = self.locks.try_take(demand, &held);
            let tried = tried.map_err(|error| LockFailure::from(error).in_folder(self.locks.folder()))?;
            let locked = match tried {
                Tried::Locked(locked) => locked,
                Tried::Missing { resource, count } => return Ok(Attempt::Short { resource, missing: count, held }),
            };
            let shared: Option<Arc<dyn SharedLimits>> = self.config.shared.clone();
            let guard = UnitsGuard::new(locked, shared, orphan_time(ask), Arc::clone(&self.freed));
            let Some(shared) = &self.config.shared else { return Ok(Attempt::Got(guard)) };
            let claim = SharedClaim {
                units: guard.units().cloned().collect(),
                model: ask.model.to_owned(),
                lasts: LEAST_CLAIM.max(guard_time(ask) + CLAIM_MARGIN),
            };
            match shared.take(&claim).await {
                Ok(SharedTake::Taken) => return Ok(Attempt::Got(guard)),
                Ok(SharedTake::Held(mut units)) => {
                    guard.not_claimed();
                    units.retain(|unit| !held.contains(unit));
                    if units.is_empty() {
                        return Ok(Attempt::Unshared);
                    }
                    held.append(&mut units);
                }
                Err(error) if error.is_passing => {
                    tracing::debug!(%error, "units could not be claimed");
                    return Ok(Attempt::Unshared);
                }
                Err(error) => return Err(LimitsError::from(error).into()),
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

/// Returns how long a process may live after its `mer` was last heard from. On this machine the watcher knows its end.
fn orphan_time(ask: &UnitsAsk<'_>) -> Duration {
    match ask.placement.conn_type {
        ConnType::Local => Duration::ZERO,
        _ => guard_time(ask),
    }
}

fn guard_time(ask: &UnitsAsk<'_>) -> Duration {
    let orphan_after = ask.placement.conn.orphan_after.unwrap_or(ask.orphan_after);
    orphan_after.duration().unwrap_or(LONGEST).saturating_add(ask.placement.params.bounds().grace)
}
